"""Texture and flicker of the mouth against the rest of the same face.

Generators re-make the mouth, or all of a face, at a size and a smoothness of their own. How sharp a face is
says nothing, because cameras, codecs and enlargement decide that; how much sharper, grainier or steadier one
part of a face is than another does, because they treat all parts alike. So every number here compares a part
of the face with another, or its change over time with its detail in space.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from outofsync.frames import Frames

SIDE = 144  # px of the crops that are measured
# Rows and columns of the parts, in sides of the crop: eyes lie at 34 %, the mouth at 66 % of its height.
PARTS = {
    "mouth": (0.57, 0.79, 0.31, 0.69),
    "upper": (0.27, 0.45, 0.22, 0.78),
    "cheeks": (0.46, 0.57, 0.20, 0.80),
    "chin": (0.79, 0.92, 0.30, 0.70),
    "forehead": (0.10, 0.24, 0.28, 0.72),
}
COMPARED = 1  # the part that all others are held against: nobody re-makes the eyes alone
SCALES = (0.8, 1.6, 3.2)  # px, standard deviations between which a band of detail lies
BANDS = len(SCALES) + 2  # of brightness, and one of either colour
BLURRED = 13  # px that the widest blur reaches
FLOOR = 0.05  # energy below which detail cannot be told from rounding
NUMBERS = 186

Floats = NDArray[np.float32]


def small(frames: Frames) -> Frames:
    """uint8 (frames, 224, 224, 3) → (frames, 144, 144, 3)."""
    return np.stack(
        [
            np.asarray(cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
            for frame in frames
        ]
    )


def measured(crops: Frames) -> Floats:
    """(frames, 144, 144, 3) → log energies (frames − 1, 10, 5): five bands in space, five in time."""
    bands = np.stack([_bands(crop) for crop in crops])
    energies = np.concatenate([np.square(bands[1:]) @ _MEANS, np.square(np.diff(bands, axis=0)) @ _MEANS], 1)
    logarithms: Floats = np.log(energies + FLOOR)
    return logarithms


def _pixels(part: tuple[float, float, float, float]) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of a part, in px."""
    top, bottom, left, right = (int(edge * SIDE) for edge in part)
    return top, bottom, left, right


_EDGES = np.array([_pixels(part) for part in PARTS.values()])
_TOP, _LEFT = _EDGES[:, [0, 2]].min(0).tolist()  # of what the parts cover together
_BOTTOM, _RIGHT = _EDGES[:, [1, 3]].max(0).tolist()


def _means() -> Floats:
    """(pixels that the parts cover together, parts): what makes sums of pixels means over parts."""
    weights = np.zeros((len(PARTS), _BOTTOM - _TOP, _RIGHT - _LEFT), np.float32)
    for part, (top, bottom, left, right) in zip(weights, _EDGES, strict=True):
        place = part[top - _TOP : bottom - _TOP, left - _LEFT : right - _LEFT]
        place[...] = 1 / place.size
    return np.ascontiguousarray(weights.reshape(len(PARTS), -1).T)


_MEANS = _means()


def _bands(crop: Frames) -> Floats:
    """Detail of one crop where parts lie (5, pixels): brightness, from fine to coarse, and either colour."""
    top, left = max(0, _TOP - BLURRED), max(0, _LEFT - BLURRED)
    around = crop[top : _BOTTOM + BLURRED, left : _RIGHT + BLURRED]
    grey, *colours = cv2.split(cv2.cvtColor(around, cv2.COLOR_RGB2YCrCb).astype(np.float32))
    soft = [grey, *(cv2.GaussianBlur(grey, (0, 0), scale) for scale in SCALES)]
    detail = [fine - coarse for fine, coarse in pairwise(soft)]
    detail += [colour - cv2.GaussianBlur(colour, (0, 0), SCALES[1]) for colour in colours]
    inside = np.stack(detail)[:, _TOP - top : _BOTTOM - top, _LEFT - left : _RIGHT - left]
    bands: Floats = inside.reshape(BANDS, -1)
    return bands


def described(energies: Floats) -> Floats:
    """(frames − 1, 10, 5) → the 186 numbers of a stretch: comparisons, their means and spreads over time."""
    others = [part for part in range(len(PARTS)) if part != COMPARED]

    def against(values: Floats) -> Floats:
        return values[..., others] - values[..., [COMPARED]]

    space, time = energies[:, :BANDS], energies[:, BANDS:]
    flicker = time - space
    slopes = np.stack([space[:, 0] - space[:, 1], space[:, 1] - space[:, 2]], 1)
    compared = [against(energies), against(slopes), against(flicker)]
    numbers = np.concatenate([part.reshape(len(energies), -1) for part in compared], 1)
    alone = flicker.reshape(len(energies), -1)
    summary = [numbers.mean(0), numbers.std(0), np.median(alone, 0), alone.std(0)]
    return np.concatenate(summary).astype(np.float32)
