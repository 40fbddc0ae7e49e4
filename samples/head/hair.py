"""Hair: strands which run from the crown, and ears."""

import numpy as np

from samples.head.canvas import Canvas, Image, bump, smoothstep
from samples.head.identity import Identity
from samples.head.relief import outline


def strands(who: Identity, canvas: Canvas, rng: np.random.Generator) -> Image:
    """The lit colour of hair everywhere, linear RGB (h, w, 3): noise drawn out along lines from the crown."""
    parting = rng.uniform(-0.5, 0.5)
    u, v = canvas.u - parting, canvas.v - (who.crown - 0.25)
    radius = np.sqrt(u**2 + v**2)
    waves = (0.02 + 0.03 * who.hair_volume) * canvas.noise(0.4, rng)
    angle = np.arctan2(u, v + 0.35) + waves
    tone = np.zeros_like(u)
    for fineness, weight in ((22, 0.4), (55, 0.4), (130, 0.35)):
        tone += weight * _strand_noise(angle * fineness, radius * 2.2, rng)
    facing = np.clip(1 + 0.5 * (who.light[0] * canvas.u - who.light[1] * (0.1 - canvas.v) * 0.5), 0.25, 1.6)
    gloss = np.exp(-(((radius - 0.75 - 0.06 * tone) / 0.2) ** 2)) * (0.02 + 0.05 * rng.random())
    body = who.hair * np.clip(0.85 + 0.38 * tone, 0.15, 2)[..., None]
    light = who.ambient + who.light_colour * (0.7 * facing)[..., None]
    return np.asarray(
        (body + gloss[..., None] * np.clip(1 + tone, 0, 2)[..., None] * 0.6) * light, np.float32
    )


def _strand_noise(across: Image, along: Image, rng: np.random.Generator) -> Image:
    """Value noise at two coordinates, interpolated smoothly; unit deviation."""
    table = np.pad(rng.standard_normal((256, 16)), (0, 1), mode="wrap").astype(np.float32)  # without a seam
    row, column = np.floor(across), np.floor(along)
    x, y = across - row, along - column
    x, y = x * x * (3 - 2 * x), y * y * (3 - 2 * y)
    r, c = row.astype(np.int32) % 256, column.astype(np.int32) % 16
    top = table[r, c] * (1 - y) + table[r, c + 1] * y
    bottom = table[r + 1, c] * (1 - y) + table[r + 1, c + 1] * y
    return np.asarray((top * (1 - x) + bottom * x) * 1.5, np.float32)


def scalp(who: Identity, canvas: Canvas, rng: np.random.Generator) -> Image:
    """Coverage by the hair in front of head and ears, (h, w)."""
    u, v = canvas.u, canvas.v
    ragged = _ragged(who, canvas, rng)
    volume = who.hair_volume
    width = outline(who, np.minimum(v, 0) / (1 + volume))
    below = 1.0 + 0.05 * np.sin(v * 2.1 + rng.uniform(0, 6))
    width = np.where(v > 0, below, width) * (1 + 0.75 * volume) + 0.02 * np.sign(width)
    inside = smoothstep(0.035, -0.035, np.abs(u) - width + ragged)
    side = np.clip(np.abs(u) / 0.93, 0, 1.3)
    slant = 0.12 * rng.uniform(-1, 1) * u
    sideburn = who.hair_length - who.hairline
    recess = 0.1 * (1 - side**2) - 0.22 * smoothstep(0.25, 0.85, side)
    hairline = who.hairline - recess + sideburn * smoothstep(0.74, 1.08, side) + slant
    return np.asarray(inside * smoothstep(0.1, -0.1, v - hairline + 2.5 * ragged), np.float32)


def _ragged(who: Identity, canvas: Canvas, rng: np.random.Generator) -> Image:
    """How far the ends of the hair stray from its edge, in face units: alike along a strand."""
    u, v = canvas.u, canvas.v - (who.crown - 0.25)
    angle, radius = np.arctan2(u, v + 0.35), np.sqrt(u**2 + v**2)
    strays = _strand_noise(angle * 26, radius * 1.5, rng) + 0.7 * _strand_noise(angle * 70, radius * 2, rng)
    return np.asarray(0.016 * strays + 0.02 * canvas.noise(0.35, rng), np.float32)


def back_hair(who: Identity, canvas: Canvas, rng: np.random.Generator) -> Image:
    """Coverage by long hair which falls behind the neck, (h, w)."""
    if who.hair_length < 1:
        return np.zeros_like(canvas.u)
    ragged = 2 * _ragged(who, canvas, rng)
    width = (1.02 + 0.75 * who.hair_volume) * (1 + 0.06 * np.sin(canvas.v * 1.8))
    sides = smoothstep(0.05, -0.05, np.abs(canvas.u) - width + ragged)
    ends = smoothstep(0.2, -0.2, canvas.v - who.hair_length - 0.3 + 2 * ragged) * smoothstep(
        -0.8, -0.5, canvas.v
    )
    return np.asarray(sides * ends, np.float32)


def ears(canvas: Canvas) -> tuple[Image, Image]:
    """Coverage (h, w) by the ears and the shade of their folds (h, w), 1 where light reaches."""
    cover, shade = np.zeros_like(canvas.u), np.ones_like(canvas.u)
    for side in (-1, 1):
        u, v = side * canvas.u - 0.99, canvas.v - 0.17
        rim = np.sqrt((u / 0.15) ** 2 + (v / (0.36 - 0.1 * u)) ** 2)
        cover = np.maximum(cover, smoothstep(1.08, 0.96, rim))
        shade -= 0.5 * bump(u, v, (0.03, -0.03), (0.055, 0.17)) + 0.2 * bump(rim, u * 0, (0.75, 0), (0.1, 1))
    return cover, np.asarray(np.clip(shade, 0.2, 1) * 0.85, np.float32)
