"""What every synchronisation network takes and gives (METHOD: Windows and delays)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from outofsync.constants import SAMPLES_PER_FRAME, WINDOW_FRAMES
from outofsync.frames import FrameStore
from outofsync.timing import Stopwatch


@dataclass(frozen=True)
class SyncInput:
    """One face track and its sound.

    ``frames`` are 224×224 RGB at 25 frames/s, ``audio`` is int16 mono at 16 kHz; both start at one instant.
    Sound that goes on after the last frame is heard at positive delays; where there is none, silence is.
    """

    frames: FrameStore
    audio: NDArray[np.int16]

    @property
    def windows(self) -> int:
        """How many windows this input yields."""
        return windows_of(len(self.frames), self.audio.size)


@dataclass(frozen=True)
class SyncOutput:
    """What a network says about each window."""

    delays: NDArray[np.float32]  # (windows, 31) logits, delay −15 … +15 frames
    features: NDArray[np.float32]  # (windows, feature size), at zero delay


class SyncNetwork(Protocol):
    """Evaluates a batch of inputs; an input's numbers never depend on its company."""

    feature_size: int

    def evaluate(self, inputs: Sequence[SyncInput], *, watch: Stopwatch | None = None) -> list[SyncOutput]:
        """One output for each input, in order; an input too short for a window yields empty arrays.

        ``watch`` is told how long each stage took, all inputs together.
        """
        ...


def windows_of(frames: int, samples: int) -> int:
    """Number of five-frame windows where both picture and sound last long enough."""
    return max(0, min(frames, samples // SAMPLES_PER_FRAME) - WINDOW_FRAMES + 1)
