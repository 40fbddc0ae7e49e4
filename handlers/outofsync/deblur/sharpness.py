"""How sharp a face crop is, and which frames of a track are blurry enough to restore.

The measure is the re-blur ratio (Crété, Dolmière, Ladret and Nicolas, "The blur effect", 2007): blurring a
sharp picture once more takes much of its local contrast away, blurring a blurry one hardly any. As a ratio
it does not depend on contrast or lighting. Only the strongest edges count here, after a light smoothing:
otherwise the noise of a blurry picture, which blurring removes as well, passes for detail.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from outofsync.constants import FRAME_RATE

BLURRY_BELOW = 0.125  # where a checkpoint does not say; how it was chosen is in the default one's model card
SMOOTHING_FRAMES = FRAME_RATE  # one second decides: restoring single frames would make a face flicker

_REBLUR = 5  # px: short enough to tell slight blur from none
_DENOISE = 0.7  # px, standard deviation
_EDGE_SCALE = 2.0  # px, standard deviation of the smoothing before edges are looked for
_EDGE_SHARE = 0.2  # of all pixels
_EDGE_STRIDE = 3  # pixels that are looked at to find the strength that so many exceed


def sharpness(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 (frames, height, width, 3) RGB → float32 (frames,): 0 (nothing to lose) … 1 (all detail is fine).

    The less sharp direction counts, because motion blurs in one direction only. Sharp crops of large faces
    reach about 0.2.
    """
    return np.array([sharpness_of(frame) for frame in frames], np.float32)


def blurry_frames(values: NDArray[np.float32], blurry_below: float) -> NDArray[np.bool_]:
    """Which frames to restore, (frames,): the median over the second around them is below the threshold."""
    reach = SMOOTHING_FRAMES // 2
    blurry = [
        np.median(values[max(0, frame - reach) : frame + reach + 1]) < blurry_below
        for frame in range(len(values))
    ]
    return np.array(blurry, np.bool_)


def sharpness_of(frame: NDArray[np.uint8]) -> float:
    """The sharpness of one (height, width, 3) RGB frame."""
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32)
    smooth = np.asarray(cv2.GaussianBlur(grey, (0, 0), _DENOISE), np.float32)
    return min(_contrast_lost(smooth), _contrast_lost(np.ascontiguousarray(smooth.T)))


def _contrast_lost(grey: NDArray[np.float32]) -> float:
    """Share of the vertical contrast of edges that vertical blurring removes."""
    strength = _steps(cv2.GaussianBlur(grey, (0, 0), _EDGE_SCALE))
    edges = strength >= np.quantile(strength[::_EDGE_STRIDE, ::_EDGE_STRIDE], 1 - _EDGE_SHARE)
    steps = _steps(grey)[edges]
    kept = _steps(cv2.blur(grey, (1, _REBLUR)))[edges]
    total = float(steps.sum())
    return float(np.maximum(steps - kept, 0).sum()) / total if total > 0 else 0.0


def _steps(grey: cv2.typing.MatLike) -> NDArray[np.float32]:
    """Absolute difference of each pixel to the one below."""
    return np.asarray(np.abs(np.diff(grey, axis=0)), np.float32)
