"""Spectacles."""

import cv2
import numpy as np

from samples.head.canvas import SUBPIXEL, Canvas, Image, mixed
from samples.head.identity import Identity


def with_glasses(face: Image, who: Identity, canvas: Canvas, rng: np.random.Generator) -> tuple[Image, Image]:
    """`face`, linear RGB (h, w, 3), seen through clear lenses, and the coverage (h, w) of the frame alone.

    The frame is returned and not drawn, because the eyes are painted later and lie under it.
    """
    width, height = rng.uniform(0.27, 0.33), rng.uniform(0.19, 0.27)
    squareness = rng.uniform(2, 5)
    frame = np.zeros(face.shape[:2], np.uint8)
    lens = np.zeros_like(frame)
    thickness = max(1, round(canvas.unit * rng.uniform(0.025, 0.06)))
    turn = np.linspace(0, 2 * np.pi, 60)
    shape = np.stack(
        [
            np.sign(f(turn)) * np.abs(f(turn)) ** (2 / squareness) * r
            for f, r in ((np.cos, width), (np.sin, height))
        ],
        -1,
    )
    inner = who.eye_distance - width
    for side in (-1, 1):
        rim = canvas.points(shape + np.array((side * who.eye_distance, 0.04)))
        cv2.fillPoly(lens, [rim], 255, cv2.LINE_AA, SUBPIXEL)
        cv2.polylines(frame, [rim], True, 255, thickness, cv2.LINE_AA, SUBPIXEL)
        temple = canvas.points(np.array([(side * (who.eye_distance + width), -0.04), (side * 1.02, -0.08)]))
        cv2.polylines(frame, [temple], False, 255, thickness, cv2.LINE_AA, SUBPIXEL)
    bridge = canvas.points(np.array([(-inner, -0.03), (0, -0.07), (inner, -0.03)]))
    cv2.polylines(frame, [bridge], False, 255, thickness, cv2.LINE_AA, SUBPIXEL)
    frame_cover = frame.astype(np.float32) / 255
    shadow = 1 - 0.35 * canvas.blurred(np.roll(frame_cover, round(0.05 * canvas.unit), 0), 0.02)
    clear = mixed(face, face * 0.93 + 0.012, lens.astype(np.float32) / 255)
    return np.asarray(clear * shadow[..., None], np.float32), frame_cover
