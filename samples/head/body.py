"""Neck, shoulders and clothes, and what is behind them."""

import cv2
import numpy as np
from numpy.typing import NDArray

from samples.head.canvas import Canvas, Image, bump, mixed, smoothstep
from samples.head.identity import Identity


def body(who: Identity, canvas: Canvas, rng: np.random.Generator) -> tuple[Image, Image]:
    """Lit colour (h, w, 3), linear, and coverage (h, w), of the neck and what is below it."""
    u, v = canvas.u, canvas.v
    neck_width = (
        (0.52 if who.woman else 0.64) + 0.12 * smoothstep(1.5, 2.1, v) + 0.9 * smoothstep(1.9, 2.5, v)
    )
    across = u / neck_width
    light = np.clip(0.55 + 0.5 * (across * who.light[0]) - 0.28 * across**2, 0.12, 1)
    tendons = 1 - 0.10 * (bump(np.abs(u), v, (0.2, 2.1), (0.06, 0.5)) + bump(u, v, (0, 2.35), (0.1, 0.12)))
    under_chin = 0.28 + 0.72 * smoothstep(who.chin - 0.3, who.chin + 0.55, v - 0.18 * u**2)
    mottled = 1 + 0.03 * canvas.noise(0.04, rng)
    lit_neck = (light * tendons * under_chin * mottled)[..., None]
    colour = (
        who.skin * 0.92 * (who.ambient * (0.3 + 0.7 * under_chin)[..., None] + who.light_colour * lit_neck)
    )
    cover = smoothstep(0.02, -0.02, np.abs(u) - neck_width) * smoothstep(0.6, 0.7, v)

    clothes, clothed = _clothes(who, canvas, rng)
    return mixed(colour.astype(np.float32), clothes, clothed), np.maximum(cover, clothed)


def _clothes(who: Identity, canvas: Canvas, rng: np.random.Generator) -> tuple[Image, Image]:
    u, v = canvas.u, canvas.v
    top = rng.uniform(1.78, 1.95)
    shoulders = top + 0.1 + 0.42 * np.clip(np.abs(u) - 0.75, 0, None) ** 1.25
    depth = rng.uniform(0.1, 0.75)
    neckline = (
        top + depth * (1 - np.abs(u) / 0.78) if rng.random() < 0.5 else top + depth * (1 - (u / 0.8) ** 2)
    )
    edge = np.where(np.abs(u) < 0.78, np.maximum(neckline, top), shoulders)
    cover = smoothstep(-0.02, 0.02, v - edge)

    base = (
        _muted(rng.uniform(0.01, 0.65, 3) ** 1.6, rng)
        if rng.random() < 0.6
        else np.full(3, rng.choice((0.02, 0.06, 0.6)))
    )
    weave = 1 + 0.05 * canvas.noise(0.02, rng) + 0.05 * canvas.noise(0.1, rng)
    folds = 0.15 * canvas.noise(0.45, rng) - 0.12 * bump(np.abs(u), v, (1.0, 3.0), (0.12, 0.7))
    if rng.random() < 0.3:
        pitch = rng.uniform(12, 40)
        weave += 0.25 * np.tanh(
            3 * np.sin(pitch * (u if rng.random() < 0.5 else v) + 0.3 * canvas.noise(0.4, rng))
        )
    seam = 1 - 0.45 * bump(v - edge, u * 0, (0.045, 0), (0.02, 1))
    facing = np.clip(0.6 + 0.25 * who.light[0] * u - 0.18 * np.abs(u) + folds, 0.1, 1.2)
    light = who.ambient + who.light_colour * facing[..., None]
    cloth = base * np.clip(weave * seam, 0.1, 2)[..., None] * light
    if not who.woman and rng.random() < 0.45:
        cloth = _jacket(cloth, canvas, top, light, rng)
    return np.asarray(cloth, np.float32), np.asarray(cover, np.float32)


def _jacket(shirt: Image, canvas: Canvas, top: float, light: Image, rng: np.random.Generator) -> Image:
    """A jacket over the shirt, open in a V."""
    u, v = canvas.u, canvas.v
    opening = 0.66 - 0.38 * (v - top)
    colour = np.full(3, rng.uniform(0.008, 0.06)) * rng.uniform(0.7, 1.5, 3)
    cloth = colour * (1 + 0.06 * canvas.noise(0.015, rng))[..., None] * light
    lapel = (
        1
        + 0.6 * bump(np.abs(u) - opening, u * 0, (0.0, 0), (0.015, 1))
        - 0.5 * bump(np.abs(u) - opening - 0.3 + 0.25 * np.abs(v - top - 0.7), u * 0, (0, 0), (0.015, 1))
    )
    return mixed(
        shirt,
        np.asarray(cloth * lapel[..., None], np.float32),
        smoothstep(-0.015, 0.015, np.abs(u) - opening),
    )


def backdrop(pixels: int, rng: np.random.Generator) -> Image:
    """A room out of focus, linear RGB (pixels, pixels, 3)."""
    base = _muted(rng.uniform(0.01, 0.6, 3) ** rng.uniform(0.8, 1.8), rng)
    down, right = np.mgrid[0:pixels, 0:pixels].astype(np.float32) / pixels - 0.5
    slope = rng.uniform(-0.7, 0.7, 2)
    room = base * np.clip(1 + slope[0] * right + slope[1] * down, 0.1, 2)[..., None]
    room = np.asarray(room, np.float32)
    for _ in range(int(rng.integers(0, 16))):
        colour = _muted((base * rng.uniform(0.2, 1.8) + rng.uniform(-0.1, 0.25, 3)).clip(0.003, 0.9), rng)
        corner = rng.integers(-pixels // 5, pixels, 2)
        extent = rng.integers(pixels // 20, pixels // 2, 2)
        if rng.random() < 0.65:
            cv2.rectangle(room, corner.tolist(), (corner + extent).tolist(), colour.tolist(), -1)
        else:
            cv2.circle(room, corner.tolist(), int(extent[0] // 3), colour.tolist(), -1)
    room = np.asarray(cv2.GaussianBlur(room, (0, 0), pixels * rng.uniform(0.004, 0.05)), np.float32)
    return room * (1 + 0.02 * rng.standard_normal(room.shape[:2]))[..., None].astype(np.float32)


def _muted(colour: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.floating]:
    """`colour` moved towards its grey, as most rooms and clothes are."""
    grey = float(colour.mean())
    return np.asarray(grey + (colour - grey) * rng.beta(1.2, 2.2))
