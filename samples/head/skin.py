"""Skin: its colour from place to place, its pores, brows and beard, under the light."""

import cv2
import numpy as np

from samples.head.canvas import SUBPIXEL, Canvas, Image, bump, mixed, smoothstep
from samples.head.identity import Identity
from samples.head.light import Lit
from samples.head.relief import outline


def skin(who: Identity, canvas: Canvas, light: Lit, rng: np.random.Generator) -> Image:
    """The lit skin of a whole face without mouth and eyes, linear RGB (h, w, 3)."""
    colour = _albedo(who, canvas, rng)
    bare = np.ones_like(canvas.u)
    for cover, tint in (
        (_beard(who, canvas, rng), who.hair * 0.8 + 0.006),
        (_brows(who, canvas, rng), who.brow),
    ):
        colour = mixed(colour, np.broadcast_to(tint, colour.shape), cover)
        bare *= 1 - cover
    oily = 0.07 + 0.05 * canvas.noise(0.5, rng)
    pores = np.clip(1 + 0.35 * canvas.noise(0.015, rng), 0, None)
    shine = bare * light.shine * np.clip(oily, 0.01, None) * pores * who.light_colour.mean()
    return np.asarray(colour * light.diffuse + shine[..., None], np.float32)


def _albedo(who: Identity, canvas: Canvas, rng: np.random.Generator) -> Image:
    u, v = canvas.u, canvas.v
    blotches = (
        0.035 * canvas.noise(0.25, rng) + 0.025 * canvas.noise(0.07, rng) + 0.035 * canvas.noise(0.02, rng)
    )
    colour = who.skin * (1 + blotches[..., None])
    blood = 0.9 * bump(u, v, (0, who.nose_length), (0.22, 0.18)) + 0.03 * canvas.noise(0.3, rng)
    for side in (-1, 1):
        blood += 0.8 * bump(u, v, (side * 0.58, 0.55), (0.28, 0.25))
    colour *= 1 - blood[..., None] * np.array((0.01, 0.12, 0.12), np.float32)
    for side in (-1, 1):
        tired = (0.2 + 0.2 * who.age) * bump(u, v, (side * who.eye_distance * 0.92, 0.13), (0.2, 0.07))
        nostril = 0.85 * bump(u, v, (side * who.nose_width * 0.45, who.nose_length + 0.085), (0.055, 0.027))
        wing = 0.25 * bump(u, v, (side * who.nose_width * 1.02, who.nose_length + 0.06), (0.02, 0.06))
        colour *= 1 - np.clip(tired + nostril + wing, 0, 0.95)[..., None] * np.array((0.8, 1, 1), np.float32)
    spots = smoothstep(1.9, 2.6, canvas.noise(0.035, rng)) * who.freckles * smoothstep(1.2, 0.2, v)
    moles = smoothstep(3.1, 3.4, canvas.noise(0.06, rng))
    colour *= 1 - (0.4 * spots + 0.5 * moles)[..., None] * np.array((0.7, 1, 1.1), np.float32)
    wrinkles = np.sin(v * 38 + 0.8 * canvas.noise(0.5, rng)) ** 6 * bump(u, v, (0, -0.62), (0.55, 0.16))
    return np.asarray(colour * (1 - 0.16 * who.age * wrinkles)[..., None], np.float32)


def _brows(who: Identity, canvas: Canvas, rng: np.random.Generator) -> Image:
    """Coverage by the hairs of both brows, (h, w)."""
    along = rng.uniform(0, 1, 840)
    side = np.where(np.arange(840) % 2, 1, -1)
    thick = who.brow_thickness * (1 - 0.65 * along**1.6) * np.minimum(1, 0.45 + 4 * along)
    u = side * (who.eye_distance - 0.3 + 0.6 * along)
    v = who.brow_height - 0.06 * np.sin(np.pi * along**1.3) + 0.025 * along + rng.uniform(-1, 1, 840) * thick
    lean = np.stack((side * (0.03 + 0.06 * along), -0.06 + 0.09 * along), -1)
    roots = np.stack((u, v), -1)
    hairs = _hairs(canvas, roots, roots + lean * rng.uniform(0.6, 1.2, (840, 1)), rng)
    return np.asarray(np.clip(canvas.blurred(hairs, 0.012) * 1.2, 0, 0.93), np.float32)


def _beard(who: Identity, canvas: Canvas, rng: np.random.Generator) -> Image:
    """Coverage by beard and moustache, (h, w); a shaven man's shadow is a thin one."""
    u, v = canvas.u, canvas.v
    width = np.maximum(outline(who, v), 1e-3)
    ragged = 0.05 * canvas.noise(0.12, rng)
    cheek_line = who.mouth_height - 0.02 - 1.0 * smoothstep(0.45, 1.0, np.abs(u) / width) + ragged
    beard = smoothstep(0, 0.16, v - cheek_line) * who.beard
    bare = bump(u, v, (0, who.mouth_height + 0.19), (0.22, 0.07)) * 0.5
    above = bump(u, v, (0, who.mouth_height - 0.17 + 0.25 * u[0] ** 2), (0.36, 0.085)) if who.moustache else 0
    cover = np.clip(np.maximum(beard * (1 - bare), above * who.moustache * 1.2), 0, 1)
    return np.asarray(np.clip(cover * (0.35 + 0.75 * _stubble(who, canvas, rng)), 0, 0.95), np.float32)


def _stubble(who: Identity, canvas: Canvas, rng: np.random.Generator) -> Image:
    """Short hairs which grow down and outwards over the lower face, (h, w) 0–1."""
    count = 5000 if who.beard > 0.2 else 1500
    roots = rng.uniform((-1.05, 0.2), (1.05, who.chin + 0.1), (count, 2))
    lengths = rng.uniform(0.02, 0.05, count) * (0.6 + who.beard)
    lean = rng.normal(0, 0.35, count) + 0.5 * roots[:, 0]
    tips = roots + np.stack((np.sin(lean), np.cos(lean)), -1) * lengths[:, None]
    return canvas.blurred(_hairs(canvas, roots, tips, rng), 0.006)


def _hairs(canvas: Canvas, roots: Image, tips: Image, rng: np.random.Generator) -> Image:
    """Thin lines of random strength between points in face units, each (n, 2): (h, w) 0–1."""
    drawn = np.zeros((canvas.pixels, canvas.pixels), np.uint8)
    strengths = rng.integers(100, 255, len(roots)).tolist()
    for root, tip, strength in zip(canvas.points(roots), canvas.points(tips), strengths, strict=True):
        cv2.line(drawn, root.tolist(), tip.tolist(), strength, 1, cv2.LINE_AA, SUBPIXEL)
    return drawn.astype(np.float32) / 255
