"""The mouth: lips whose relief follows the articulators, and what is seen between them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samples.head.canvas import Canvas, Image, Pixels, encoded, mixed, smoothstep
from samples.head.identity import Identity

FULL_GAP = 0.37  # how far the widest mouth parts the lips, in half-widths of the face
FULL_DROP = 0.32  # how far the lower teeth drop
UPPER_SHARE = 0.16  # of the gap, by which the upper lip rises
GUM = np.array((0.20, 0.045, 0.05), np.float32)
TONGUE = np.array((0.36, 0.115, 0.115), np.float32)
TEETH = np.array((0.80, 0.74, 0.62), np.float32)
CAVITY = np.array((0.026, 0.006, 0.006), np.float32)
TOOTH_EDGES = (0.0, 0.088, 0.158, 0.23, 0.29)  # from the midline, of the upper row


@dataclass(frozen=True)
class Lips:
    """The shape of the lips in one frame; heights are offsets from the line where shut lips meet."""

    half_width: float
    rise: float  # of the upper lip at the middle
    drop: float  # of the lower lip at the middle
    upper: float  # thickness
    lower: float
    corner: float  # how far the corners hang
    jaw: float  # drop of the lower teeth
    tongue: float
    tuck: float

    @property
    def gap(self) -> float:
        return self.rise + self.drop


def lips_of(
    who: Identity, *, jaw: float, gap: float, spread: float, pucker: float, tongue: float, tuck: float
) -> Lips:
    """The lips of `who` with the articulators as in `samples.articulation.visemes.Viseme`."""
    parted = FULL_GAP * gap
    width = who.mouth_width * (1 + 0.17 * spread - 0.24 * pucker - 0.07 * gap)
    stretch = 1 - 0.16 * gap - 0.10 * spread
    return Lips(
        half_width=width,
        rise=UPPER_SHARE * parted + 0.045 * tuck + 0.012 * pucker * gap,
        drop=(1 - UPPER_SHARE) * parted - 0.012 * tuck,
        upper=who.upper_lip * (stretch + 0.28 * pucker),
        lower=who.lower_lip * (stretch + 0.22 * pucker) * (1 - 0.45 * tuck),
        corner=-who.smile - 0.012 * spread + 0.32 * parted,
        jaw=FULL_DROP * jaw,
        tongue=tongue,
        tuck=tuck,
    )


@dataclass(frozen=True)
class Edges:
    """Heights of the four lip contours over a window's columns; `s` is −1–1 between corners: (columns,)."""

    s: NDArray[np.float32]
    outer_upper: NDArray[np.float32]
    inner_upper: NDArray[np.float32]
    inner_lower: NDArray[np.float32]
    outer_lower: NDArray[np.float32]


def edges(lips: Lips, middle: float, u: NDArray[np.float32]) -> Edges:
    """The contours at abscissae `u`, for lips which meet at height `middle`."""
    s = u / np.float32(lips.half_width)
    s2 = np.minimum(s * s, 1)
    seam = middle + lips.corner * s2 + 0.012 * (1 - s2) - 0.016 * np.exp(-((s / 0.3) ** 2))
    open_shape = (1 - s2) ** 0.75
    bow = (1 - np.abs(np.minimum(np.abs(s), 1)) ** 1.9) * (1 - 0.26 * np.exp(-((s / 0.17) ** 2)))
    full = (1 - s2) ** 0.8
    inner_upper = seam - lips.rise * open_shape
    inner_lower = seam + lips.drop * open_shape
    return Edges(s, inner_upper - lips.upper * bow, inner_upper, inner_lower, inner_lower + lips.lower * full)


class MouthPainter:
    """Paints the mouth of one person upon a canvas."""

    def __init__(self, who: Identity, canvas: Canvas, light: Image, rng: np.random.Generator) -> None:
        """Args: light: (h, w, 3) diffuse light on the whole canvas, of which the lips take their share."""
        self._who = who
        middle = who.mouth_height
        self.window = canvas.window(-0.62, middle - 0.36, 0.62, middle + 0.66)
        self._u = canvas.u[self.window]
        self._v = canvas.v[self.window]
        self._pixel = np.float32(1 / canvas.unit)
        self._light = canvas.blurred(light, 0.15)[self.window]
        self._creases = _creases(rng)
        self._gloss = rng.uniform(0.02, 0.14)
        self._crooked = rng.normal(0, 0.01, len(TOOTH_EDGES))

    def paint(self, pixels: Pixels, lips: Lips) -> None:
        """Draw the mouth over the skin in `pixels`, (h, w, 3 or more) under a gamma of 2, in place."""
        contours = edges(lips, self._who.mouth_height, self._u[0])
        within = self._coverage(contours.inner_upper, contours.inner_lower, 1.2)
        outer = self._coverage(
            contours.outer_upper, contours.outer_lower, max(1.5, 0.045 / float(self._pixel))
        )
        corners = np.clip((1 - np.abs(contours.s)) * (lips.half_width / self._pixel) / 2.5, 0, 1)
        lip_colour = self._lips(contours)
        picture = lip_colour if lips.gap < 0.004 else mixed(lip_colour, self._inside(contours, lips), within)
        under = np.square(pixels[self.window][..., :3].astype(np.float32) / 255)
        shadow = 1 - 0.30 * _hill(self._v - contours.outer_lower, 0.05, 0.05) * corners
        shadow -= (
            0.25
            * np.exp(-(((np.abs(contours.s) - 1.02) / 0.06) ** 2))
            * _hill(self._v - contours.inner_upper, 0.0, 0.045)
        )
        painted = mixed(under * shadow[..., None], picture, outer * corners * 0.94)
        pixels[self.window][..., :3] = encoded(painted)

    def _coverage(self, top: NDArray[np.float32], bottom: NDArray[np.float32], softness: float) -> Image:
        """1 between the contours, falling to 0 over `softness` pixels about each."""
        soft = self._pixel * np.float32(softness)
        above = np.clip((self._v - top) / soft + 0.5, 0, 1)
        below = np.clip((bottom - self._v) / soft + 0.5, 0, 1)
        return np.asarray(above * below, np.float32)

    def _lips(self, contours: Edges) -> Image:
        """Lit lips, linear RGB: two rolls, lit from above, with creases across."""
        upper_t = (self._v - contours.outer_upper) / np.maximum(
            contours.inner_upper - contours.outer_upper, 0.01
        )
        lower_t = (self._v - contours.inner_lower) / np.maximum(
            contours.outer_lower - contours.inner_lower, 0.01
        )
        seam = (contours.inner_upper + contours.inner_lower) / 2
        is_upper = self._v < seam
        t = np.clip(np.where(is_upper, upper_t, lower_t), 0, 1)
        tilt = np.where(is_upper, 0.25 - 1.1 * t, 0.85 - 1.75 * t)  # sine of the angle upwards
        lift = -np.float32(self._who.light[1])
        shade = np.clip(0.62 + tilt * (0.25 + 0.45 * lift), 0.1, 1.3)
        creases = 1 + 0.08 * _sampled(self._creases, contours.s, t + is_upper)
        crevice = np.where(is_upper, 1 - 0.75 * t**6, 1 - 0.75 * (1 - t) ** 8)
        shine = (
            self._gloss
            * np.where(is_upper, 0.25, 1)
            * _hill(t, 0.36, 0.16)
            * (1 - 0.5 * contours.s**2)
            * creases
        )
        strength = shade * creases * crevice
        colour = self._who.lips * strength[..., None] * self._light
        return np.asarray(colour + shine[..., None] * self._light * 0.5, np.float32)

    def _inside(self, contours: Edges, lips: Lips) -> Image:
        """Teeth, tongue and the dark, linear RGB."""
        middle = self._who.mouth_height
        u, v, s = self._u, self._v, contours.s
        narrow = np.sqrt(np.clip(1 - (u / 0.33) ** 2, 0, 1))
        upper_edge = middle + 0.035 - 0.03 * (u / 0.3) ** 2
        lower_edge = middle + 0.02 + lips.jaw + 0.02 * (u / 0.3) ** 2
        low = lower_edge - 0.05 - 0.3 * lips.jaw
        tongue_top = low + (upper_edge + 0.012 - low) * lips.tongue + 0.16 * (u / 0.33) ** 2

        picture = np.broadcast_to(CAVITY, (*u.shape, 3))
        depth = np.clip((v - tongue_top) / 0.12, 0, 1)
        groove = 1 - 0.35 * np.exp(-((u / 0.02) ** 2)) * depth
        tongue = TONGUE * ((0.4 + 0.6 * depth) * groove)[..., None]
        picture = mixed(picture, tongue, self._step(v - tongue_top, 2.5) * narrow)
        rows = (
            (
                self._step(v - lower_edge, 1.5) * self._step(lower_edge + 0.14 - v, 3),
                0.88,
                0.82,
                lower_edge - v,
            ),
            (self._step(upper_edge - v, 1.5) * self._step(v - middle + 0.16, 3), 1.0, 1.0, v - upper_edge),
        )
        for cover, scale, brightness, rooted in rows:
            gaps = self._between_teeth(np.abs(u) / scale)
            shade = (
                brightness
                * self._who.teeth
                * (0.25 + 0.75 * narrow**1.5)
                * gaps
                * (1 - 0.25 * _hill(rooted, 0, 0.02))
            )
            picture = mixed(picture, TEETH * shade[..., None], cover * (narrow > 0.15))
        shadow = smoothstep(-0.02, 0.13, v - contours.inner_upper + 0.06) * (1 - 0.55 * np.clip(s * s, 0, 1))
        return np.asarray(picture * shadow[..., None] * self._light * 0.85, np.float32)

    def _between_teeth(self, distance: Image) -> Image:
        """1 on teeth, darker where one meets the next."""
        shade = np.ones_like(distance)
        for edge, crooked in zip(TOOTH_EDGES, self._crooked, strict=True):
            shade -= 0.38 * _hill(distance, edge + crooked * 0.3, 0.008 + self._pixel * 0.35)
        return shade

    def _step(self, height: Image, softness: float) -> Image:
        return np.asarray(np.clip(height / (self._pixel * np.float32(softness)) + 0.5, 0, 1), np.float32)


def _hill(x: Image, centre: float, width: float | np.floating) -> Image:
    return np.asarray(np.exp(-(((x - centre) / np.float32(width)) ** 2)), np.float32)


def _creases(rng: np.random.Generator) -> Image:
    """A texture of the fine furrows which run across both lips, (rows, columns)."""
    fine = rng.standard_normal((9, 64)).astype(np.float32)
    return fine + 0.6 * np.repeat(rng.standard_normal((1, 64)), 9, 0).astype(np.float32)


def _sampled(texture: Image, s: NDArray[np.float32], t: Image) -> Image:
    """`texture` at columns s ∈ [−1, 1] and rows t ∈ [0, 2], linear along the rows' axis."""
    column = np.clip((s + 1) / 2, 0, 1) * (texture.shape[1] - 1)
    left = np.minimum(column.astype(np.int32), texture.shape[1] - 2)
    part = (column - left).astype(np.float32)
    lines = texture[:, left] * (1 - part) + texture[:, left + 1] * part  # (rows, columns of s)
    row = np.clip(t / 2, 0, 1) * (texture.shape[0] - 1)
    low = np.minimum(row.astype(np.int32), texture.shape[0] - 2)
    up = (row - low).astype(np.float32)
    columns = np.arange(lines.shape[1])
    return np.asarray(lines[low, columns] * (1 - up) + lines[low + 1, columns] * up, np.float32)
