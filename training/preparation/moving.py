"""Move the sound of a clip against its picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outofsync.constants import SAMPLES_PER_FRAME
from outofsync.frames import FrameStore, JpegFrames, RawFrames


def moved(
    frames: FrameStore, audio: NDArray[np.int16], *, start: int, delay: float
) -> tuple[FrameStore, NDArray[np.int16]]:
    """Put sound that comes ``delay`` frames late where it belongs (negative: early; fractions count).

    ``audio`` is that of the whole video, ``start`` the frame of it at which ``frames`` begin. Pictures whose
    sound lies before the beginning of the video are left out; both end together. Not moved, both stay as
    they are: the sound may go on after the last picture.
    """
    if not delay:
        return frames, audio[start * SAMPLES_PER_FRAME :]
    missing = max(0, math.ceil(-(start + delay)))
    heard = audio[round((start + delay + missing) * SAMPLES_PER_FRAME) :]
    length = max(0, min(len(frames) - missing, heard.size // SAMPLES_PER_FRAME))
    return span(frames, missing, missing + length), heard[: length * SAMPLES_PER_FRAME]


def span(frames: FrameStore, first: int, stop: int) -> FrameStore:
    """Frames ``first`` … ``stop`` − 1 as a store of their own, coded as they were."""
    tensors = frames.tensors()
    if "raw" in tensors:
        return RawFrames(tensors["raw"][first:stop])
    sizes = tensors["jpeg_sizes"]
    ends = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    first, stop = min(first, len(sizes)), min(stop, len(sizes))
    return JpegFrames.from_tensors(tensors["jpeg"][ends[first] : ends[stop]], sizes[first:stop])


def lateness(facts: Mapping[str, Any]) -> float:
    """Frames by which a prepared clip's sound comes late: its own, found by a check, and its set's."""
    return float(facts.get("sound_late", 0)) + float(facts.get("set_late", 0.0))
