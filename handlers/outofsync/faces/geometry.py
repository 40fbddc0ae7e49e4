"""From landmarks to a levelled square crop."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outofsync.constants import FACE_SIZE
from outofsync.faces.detector import Detection


@dataclass(frozen=True, slots=True)
class CropBox:
    """A square on the picture: centre and side in pixels, roll in radians (levelled eyes = 0)."""

    x: float
    y: float
    side: float
    roll: float

    def as_array(self) -> NDArray[np.float64]:
        """(4,): x, y and side in pixels, roll in radians."""
        return np.array([self.x, self.y, self.side, self.roll])

    @property
    def corners(self) -> NDArray[np.float32]:
        """(4,): x0, y0, x1, y1 in pixels, of the square before levelling."""
        half = self.side / 2
        return np.array([self.x - half, self.y - half, self.x + half, self.y + half], np.float32)


def face_height(face: Detection) -> float:
    """Distance between the middle of the eyes and the middle of the mouth (px), steady when a head turns."""
    return float(np.linalg.norm(face.mouth.mean(0) - face.eyes.mean(0)))


def crop_box(face: Detection, scale: float) -> CropBox:
    """The square around one face; ``scale`` is its side over :func:`face_height`."""
    eyes, mouth = face.eyes.mean(0), face.mouth.mean(0)
    centre = (eyes + mouth) / 2
    down = mouth - eyes
    roll = math.atan2(-float(down[0]), float(down[1]))
    return CropBox(float(centre[0]), float(centre[1]), scale * face_height(face), roll)


def crop(frame: NDArray[np.uint8], box: CropBox, size: int = FACE_SIZE) -> NDArray[np.uint8]:
    """Cut a (size, size, 3) crop; what lies outside the picture repeats its edge."""
    if size / box.side < 0.5:  # bilinear sampling aliases below half size
        frame, box = _shrunk(frame, box, 2.0 * size / box.side)
    factor = size / box.side
    cosine, sine = math.cos(box.roll) * factor, math.sin(box.roll) * factor
    matrix = np.array(
        [
            [cosine, sine, size / 2 - cosine * box.x - sine * box.y],
            [-sine, cosine, size / 2 + sine * box.x - cosine * box.y],
        ]
    )
    method = cv2.INTER_LINEAR if factor <= 1.0 else cv2.INTER_CUBIC
    return cv2.warpAffine(frame, matrix, (size, size), flags=method, borderMode=cv2.BORDER_REPLICATE).astype(
        np.uint8, copy=False
    )


def _shrunk(frame: NDArray[np.uint8], box: CropBox, scale: float) -> tuple[NDArray[np.uint8], CropBox]:
    """Picture and box scaled down by area."""
    height, width = (max(1, round(side * scale)) for side in frame.shape[:2])
    small = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
    across, down = width / frame.shape[1], height / frame.shape[0]
    return small.astype(np.uint8, copy=False), CropBox(
        box.x * across, box.y * down, box.side * scale, box.roll
    )


def surroundings(
    boxes: Sequence[NDArray[np.float32]], margin: float, width: int, height: int
) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 (px, in the picture) around boxes, each with ``margin`` of its size on every side."""
    all_boxes = np.stack(boxes)
    reach = margin * (all_boxes[:, 2:] - all_boxes[:, :2])
    low = np.floor((all_boxes[:, :2] - reach).min(0)).clip(0, [width - 1, height - 1])
    high = np.ceil((all_boxes[:, 2:] + reach).max(0)).clip(low + 1, [width, height])
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def overlap(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Intersection over union (0 … 1) of two boxes (4,): x0, y0, x1, y1."""
    low = np.maximum(first[:2], second[:2])
    high = np.minimum(first[2:], second[2:])
    shared = float(np.prod(np.clip(high - low, 0, None)))
    areas = float(np.prod(first[2:] - first[:2]) + np.prod(second[2:] - second[:2]))
    return shared / (areas - shared) if areas > shared else 0.0
