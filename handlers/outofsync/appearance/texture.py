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
    places = [
        (slice(int(top * SIDE), int(bottom * SIDE)), slice(int(left * SIDE), int(right * SIDE)))
        for top, bottom, left, right in PARTS.values()
    ]
    bands = [_bands(crop) for crop in crops]
    rows = []
    for before, after in pairwise(bands):
        detail = [*after, *(then - now for then, now in zip(before, after, strict=True))]
        rows.append([[float(np.square(band[place]).mean()) for place in places] for band in detail])
    energies: Floats = np.log(np.array(rows, np.float32).reshape(-1, 2 * BANDS, len(PARTS)) + FLOOR)
    return energies


def _bands(crop: Frames) -> list[Floats]:
    """Detail of one crop: three bands of brightness, from fine to coarse, and one of each colour."""
    planes = cv2.cvtColor(crop, cv2.COLOR_RGB2YCrCb).astype(np.float32)
    grey = planes[..., 0]
    soft = [np.asarray(cv2.GaussianBlur(grey, (0, 0), scale), np.float32) for scale in SCALES]
    brightness = [grey - soft[0], soft[0] - soft[1], soft[1] - soft[2]]
    colours = [
        planes[..., plane] - np.asarray(cv2.GaussianBlur(planes[..., plane], (0, 0), SCALES[1]), np.float32)
        for plane in (1, 2)
    ]
    return brightness + colours


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
