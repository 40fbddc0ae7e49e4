"""The relief of a face: how far each point stands out of the picture, and where the head ends."""

import numpy as np
from numpy.typing import NDArray

from samples.head.canvas import Canvas, Image, bump, smoothstep
from samples.head.identity import Identity


def outline(who: Identity, v: NDArray[np.floating]) -> Image:
    """Half-width of the head, without hair and ears, at heights `v`; negative above and below it."""
    top, bottom, jaw = who.crown, who.chin, who.jaw_width
    heights = (-1.18, -0.85, -0.45, 0.0, 0.4, 0.8, 1.12, bottom - 0.25)
    widths = (0.79, 0.935, 0.985, 1.0, 0.965, 0.89, jaw, 0.62 * jaw + 0.04)
    knots = np.array([-1.6, *heights, bottom]), np.array([0.45, *widths, 0.42 * jaw])
    levels = np.linspace(top, bottom, 400)
    kernel = np.hanning(61) / np.hanning(61).sum()
    inner = np.convolve(np.pad(np.interp(levels, *knots), 30, mode="edge"), kernel, mode="valid")
    inner *= np.sqrt(1 - np.clip(1 - (levels - top) / 0.75, 0, 1) ** 2.4)
    inner *= (1 - np.clip(1 - (bottom - levels) / 0.22, 0, 1) ** 2.4) ** 0.5
    return np.asarray(np.interp(v, levels, inner, left=-0.1, right=-0.1), np.float32)


def relief(who: Identity, canvas: Canvas) -> Image:
    """Height of the face over the plane of its outline, in half-widths, (pixels, pixels); 0 outside."""
    u, v = canvas.u, canvas.v
    width = np.maximum(outline(who, v), 1e-3)
    across = np.sqrt(np.clip(1 - np.abs(u / width) ** 2.3, 0, 1))
    height = np.asarray(0.82 * across * np.minimum(1, width + 0.15), np.float32)
    height *= 1 - 0.10 * smoothstep(0.2, who.chin, v) - 0.2 * smoothstep(-0.7, who.crown, v)
    for side in (-1, 1):
        height += _half_face(who, side, u, v)
    height += _nose(who, u, v) + _around_the_mouth(who, u, v)
    return canvas.blurred(np.where(np.abs(u) < width, np.maximum(height, 0), 0).astype(np.float32), 0.012)


def _half_face(who: Identity, side: int, u: Image, v: Image) -> Image:
    eye = side * who.eye_distance
    fold = side * (who.nose_width + 0.06 + 0.32 * np.clip((v - who.nose_length) / 0.55, 0, 1))
    crease = np.exp(-(((u - fold) / 0.045) ** 2)) * bump(u * 0, v, (0, who.nose_length + 0.25), (1, 0.25))
    return np.asarray(
        -0.17 * bump(u, v, (eye * 0.95, -0.03), (0.25, 0.17))
        + 0.075 * bump(u, v, (eye, 0.0), (0.16, 0.1))
        + 0.07 * bump(u, v, (eye * 1.02, who.brow_height + 0.02), (0.3, 0.1))
        + 0.09 * bump(u, v, (side * 0.62, 0.42), (0.26, 0.22))
        - (0.012 + 0.012 * who.age) * bump(u, v, (eye * 0.9, 0.2), (0.2, 0.05))
        - (0.012 + 0.03 * who.age) * crease,
        np.float32,
    )


def _nose(who: Identity, u: Image, v: Image) -> Image:
    along = np.clip(v / who.nose_length, 0, 1)
    ridge = who.nose_height * (0.12 + 0.78 * along**1.25)
    ridge *= smoothstep(-0.3, 0.08, v) * smoothstep(who.nose_length + 0.14, who.nose_length - 0.02, v)
    width = 0.115 + 0.07 * along
    nose = ridge * np.exp(-((u / width) ** 2))
    tip = 0.11 * bump(u, v, (0, who.nose_length - 0.03), (0.105, 0.1))
    wings = sum(
        0.13 * bump(u, v, (side * who.nose_width * 0.82, who.nose_length + 0.02), (0.075, 0.08))
        for side in (-1, 1)
    )
    return np.asarray(nose + tip + wings, np.float32)


def _around_the_mouth(who: Identity, u: Image, v: Image) -> Image:
    mouth = who.mouth_height
    return np.asarray(
        0.10 * bump(u, v, (0, mouth), (0.42, 0.26))
        - 0.022 * bump(u, v, (0, mouth - 0.22), (0.04, 0.11))
        - 0.06 * bump(u, v, (0, mouth + 0.24), (0.24, 0.07))
        + 0.12 * bump(u, v, (0, who.chin - 0.17), (0.24, 0.16)),
        np.float32,
    )
