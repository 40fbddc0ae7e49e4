"""Whether a mouth moves at all: a photograph or a listener gives synchrony nothing to judge."""

from __future__ import annotations

import cv2
import numpy as np

from outofsync.frames import FrameStore
from outofsync.synchrony.senses import mouth_pictures

_PAIRS = 60  # looked at, spread over the track
_APART = 2  # frames between the two pictures of a pair


def mouth_motion(frames: FrameStore) -> float:
    """How much mouth pictures 80 ms apart differ where they differ most, in grey values of 255.

    The 90th percentile over the track, because people also pause. Each picture is smoothed first, so that
    noise and coding blocks count for little.
    """
    last = len(frames) - _APART
    if last < 1:
        return 0.0
    starts = np.unique(np.linspace(0, last - 1, min(last, _PAIRS)).astype(int))
    changes = []
    for start in starts.tolist():
        pair = mouth_pictures(frames.read(start, start + _APART + 1)[::_APART])
        first, second = (cv2.GaussianBlur(picture, (0, 0), 2.0).astype(np.float32) for picture in pair)
        changes.append(float(np.abs(first - second).mean()))
    return float(np.percentile(changes, 90))
