"""How far a network is with a track: it reads the frames one after another."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from outofsync.frames import Frames, FrameStore
from outofsync.progress import Share


class WatchedFrames:
    """The frames of a track; those up to the last that was read count as done.

    Networks take passes of many tracks together and read ahead a little, so they need not know who is told.
    Reading raises :class:`~outofsync.progress.AbandonedError` once nobody waits.
    """

    def __init__(self, frames: FrameStore, share: Share) -> None:
        self._frames = frames
        self._share = share
        self._reached = 0

    def __len__(self) -> int:
        return len(self._frames)

    def read(self, start: int, stop: int) -> Frames:
        """uint8 (frames, height, width, 3) RGB."""
        frames = self._frames.read(start, stop)
        self._share.add(max(0, stop - self._reached))
        self._reached = max(self._reached, stop)
        return frames

    def replace(self, index: int, frame: NDArray[np.uint8]) -> None:
        """uint8 (height, width, 3) RGB in the place of a frame."""
        self._frames.replace(index, frame)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """As they are without being watched."""
        return self._frames.tensors()
