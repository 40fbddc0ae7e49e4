"""How sharp a face crop is, and which frames of a track are blurry enough to restore.

The measure is the re-blur ratio (Crété, Dolmière, Ladret and Nicolas, "The blur effect", 2007): blurring a
sharp picture once more takes much of its local contrast away, blurring a blurry one hardly any. As a ratio
it does not depend on contrast or lighting.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from outofsync.constants import FRAME_RATE

BLURRY_BELOW = 0.26  # where a checkpoint does not say; how it was chosen is in the model card
SMOOTHING_FRAMES = FRAME_RATE  # one second decides: restoring single frames would make a face flicker
_REBLUR = 5  # px: short enough to tell slight blur from none


def sharpness(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 (frames, height, width, 3) RGB → float32 (frames,): 0 (nothing to lose) … 1 (all detail is fine).

    The less sharp direction counts, because motion blurs in one direction only.
    """
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32) for frame in frames]
    return np.array([min(_lost(frame), _lost(frame.T)) for frame in grey], np.float32)


def blurry_frames(values: NDArray[np.float32], blurry_below: float) -> NDArray[np.bool_]:
    """Which frames to restore, (frames,): the median over the second around them is below the threshold."""
    reach = SMOOTHING_FRAMES // 2
    blurry = [
        np.median(values[max(0, frame - reach) : frame + reach + 1]) < blurry_below
        for frame in range(len(values))
    ]
    return np.array(blurry, np.bool_)


def _lost(grey: NDArray[np.float32]) -> float:
    """Share of the vertical local contrast that vertical blurring removes."""
    steps = np.abs(np.diff(grey, axis=0))
    kept = np.abs(np.diff(cv2.blur(grey, (1, _REBLUR)), axis=0))
    total = float(steps.sum())
    return float(np.maximum(steps - kept, 0).sum()) / total if total > 0 else 0.0
