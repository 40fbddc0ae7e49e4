"""Cuts between shots: a face must not be followed from one shot into another person's."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_THUMBNAIL = (32, 18)
_CUT = 45.0  # mean absolute difference of two thumbnails, of 255; motion and flashes stay below


class CutFinder:
    """Compares each frame with the one before."""

    def __init__(self) -> None:
        self._before: NDArray[np.int16] | None = None

    def is_cut(self, frame: NDArray[np.uint8]) -> bool:
        """Whether this (height, width, 3) frame begins a new shot."""
        thumbnail = cv2.resize(frame, _THUMBNAIL, interpolation=cv2.INTER_NEAREST).astype(np.int16)
        before, self._before = self._before, thumbnail
        return before is not None and float(np.abs(thumbnail - before).mean()) > _CUT
