"""Who the head is: every number that stays the same through a clip."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Colour = NDArray[np.float32]  # (3,) linear RGB, 0–1

SKINS = np.array(
    [(0.79, 0.52, 0.40), (0.69, 0.42, 0.30), (0.53, 0.30, 0.19), (0.34, 0.17, 0.10), (0.17, 0.08, 0.05)],
    np.float32,
)
HAIRS = np.array(
    [(0.014, 0.011, 0.01), (0.035, 0.021, 0.013), (0.09, 0.045, 0.022), (0.24, 0.13, 0.055),
     (0.42, 0.28, 0.13), (0.2, 0.06, 0.02), (0.3, 0.3, 0.3)], np.float32
)  # fmt: skip
GREY = len(HAIRS) - 1
IRISES = np.array(
    [(0.035, 0.016, 0.008), (0.08, 0.05, 0.02), (0.09, 0.12, 0.06), (0.10, 0.18, 0.26)], np.float32
)


@dataclass(frozen=True)
class Identity:
    """Lengths are in half-widths of the face; the eyes are at height 0 and heights grow downwards."""

    woman: bool
    age: float  # 0 young – 1 old
    size: float  # half-width of the face over the width of the picture
    centre: tuple[float, float]  # of the eye line, over the width of the picture
    skin: Colour
    lips: Colour
    hair: Colour
    brow: Colour
    iris: Colour
    jaw_width: float
    chin: float
    crown: float
    eye_distance: float
    eye_width: float
    eye_height: float
    brow_height: float
    brow_thickness: float
    nose_length: float
    nose_width: float
    nose_height: float
    mouth_height: float
    mouth_width: float
    upper_lip: float
    lower_lip: float
    smile: float  # how far the corners are raised at rest
    hairline: float
    hair_volume: float
    hair_length: float  # how far down the sides it falls
    beard: float  # 0 shaven – 1 full
    moustache: float
    freckles: float
    glasses: bool
    teeth: float  # brightness
    light: tuple[float, float, float]  # direction towards the key light: right, down, out of the picture
    light_colour: Colour
    ambient: Colour


def random_identity(rng: np.random.Generator, *, woman: bool | None = None) -> Identity:
    """Somebody who does not exist."""
    woman = bool(rng.random() < 0.5) if woman is None else woman
    age = float(rng.beta(1.6, 2.0))
    tone = rng.uniform(0, len(SKINS) - 1)
    skin = _between(SKINS, tone) * rng.normal(1, 0.03, 3)
    hair = HAIRS[rng.integers(0, GREY if tone < 1.8 else 2)] * rng.uniform(0.7, 1.3)
    if age > 0.55 and rng.random() < 0.5:
        hair = HAIRS[GREY] * rng.uniform(0.7, 1.3)
    redness = np.array((0.92, 0.52, 0.52)) if not woman else np.array((0.95, 0.42, 0.45))
    long_hair = woman and rng.random() < 0.75
    bearded = not woman and rng.random() < 0.5
    warmth = rng.normal(0, 0.06)
    return Identity(
        woman=woman,
        age=age,
        size=float(rng.uniform(0.20, 0.265)),
        centre=(float(rng.normal(0.5, 0.02)), float(rng.normal(0.415, 0.015))),
        skin=skin.astype(np.float32),
        lips=(skin * redness * rng.normal(1, 0.05, 3)).astype(np.float32),
        hair=hair.astype(np.float32),
        brow=(0.6 * hair + 0.012).astype(np.float32),
        iris=(IRISES[rng.integers(0, 4 if tone < 1.6 else 2)] * rng.uniform(0.8, 1.2)).astype(np.float32),
        jaw_width=float(rng.normal(0.74 if woman else 0.81, 0.035)),
        chin=float(rng.normal(1.58 if woman else 1.66, 0.05)),
        crown=float(rng.normal(-1.42, 0.05)),
        eye_distance=float(rng.normal(0.445, 0.015)),
        eye_width=float(rng.normal(0.225, 0.012)),
        eye_height=float(rng.normal(0.102 if woman else 0.09, 0.008)),
        brow_height=float(rng.normal(-0.315, 0.02)),
        brow_thickness=float(rng.normal(0.045 if woman else 0.07, 0.01)),
        nose_length=float(rng.normal(0.66, 0.035)),
        nose_width=float(rng.normal(0.205 if woman else 0.23, 0.022) + 0.012 * tone),
        nose_height=float(rng.normal(0.40, 0.04)),
        mouth_height=float(rng.normal(1.08, 0.025)),
        mouth_width=float(rng.normal(0.375, 0.022)),
        upper_lip=float(np.clip(rng.normal(0.085 + 0.014 * tone, 0.014), 0.05, 0.15)),
        lower_lip=float(np.clip(rng.normal(0.125 + 0.014 * tone, 0.016), 0.08, 0.19)),
        smile=float(rng.normal(0.024, 0.014)),
        hairline=float(rng.normal(-0.93 if woman else -0.9 - 0.1 * age, 0.07)),
        hair_volume=float(rng.uniform(0.12, 0.26) if woman else rng.uniform(0.04, 0.2)),
        hair_length=float(rng.uniform(1.3, 2.4) if long_hair else rng.uniform(-0.05, 0.3)),
        beard=float(rng.uniform(0.25, 1) if bearded else rng.uniform(0, 0.12) * (not woman)),
        moustache=float(rng.uniform(0.3, 1) if bearded else 0),
        freckles=float(rng.beta(0.6, 2) if tone < 1.5 else 0),
        glasses=bool(rng.random() < 0.25),
        teeth=float(rng.uniform(0.55, 0.95)),
        light=_unit((rng.uniform(-0.85, 0.85), rng.uniform(-0.8, -0.25), 1.0)),
        light_colour=(np.array((1 + warmth, 1, 1 - warmth)) * rng.uniform(0.6, 0.9)).astype(np.float32),
        ambient=(np.array((1 - warmth, 1, 1 + warmth)) * rng.uniform(0.16, 0.36)).astype(np.float32),
    )


def _between(palette: NDArray[np.float32], position: float) -> NDArray[np.float32]:
    """The colour at a fractional index of the palette."""
    low = min(int(position), len(palette) - 2)
    return np.asarray(palette[low] + (palette[low + 1] - palette[low]) * (position - low), np.float32)


def _unit(vector: tuple[float, float, float]) -> tuple[float, float, float]:
    length = float(np.linalg.norm(vector))
    return vector[0] / length, vector[1] / length, vector[2] / length
