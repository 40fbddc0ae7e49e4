"""The square on which a head is drawn, its coordinates, and the image operations that every part needs."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.floating]  # (height, width) or (height, width, channels)
Pixels = NDArray[np.uint8]  # (height, width, channels)


@dataclass(frozen=True)
class Canvas:
    """`pixels` on a side; the origin between the eyes is at `origin`, and its unit is `unit` pixels."""

    pixels: int
    unit: float
    origin: tuple[float, float]

    @cached_property
    def u(self) -> Image:
        """Abscissa of every pixel in half-widths of the face, (pixels, pixels)."""
        row = (np.arange(self.pixels, dtype=np.float32) - self.origin[0]) / self.unit
        return np.tile(row, (self.pixels, 1)).astype(np.float32)

    @cached_property
    def v(self) -> Image:
        """Ordinate of every pixel, downwards from the eyes, (pixels, pixels)."""
        column = (np.arange(self.pixels, dtype=np.float32) - self.origin[1]) / self.unit
        return np.tile(column[:, None], (1, self.pixels)).astype(np.float32)

    def blurred(self, image: Image, radius: float) -> Image:
        """`image` under a Gaussian of `radius` face units."""
        return blurred(image, radius * self.unit)

    def noise(self, grain: float, rng: np.random.Generator) -> Image:
        """Smooth noise of zero mean and unit deviation whose features are about `grain` face units wide."""
        coarse = max(4, round(self.pixels / max(1.0, grain * self.unit)))
        values = rng.standard_normal((coarse, coarse)).astype(np.float32)
        grown = np.asarray(
            cv2.resize(values, (self.pixels, self.pixels), interpolation=cv2.INTER_CUBIC), np.float32
        )
        return grown / np.float32(grown.std())

    def window(self, left: float, top: float, right: float, bottom: float) -> tuple[slice, slice]:
        """Rows and columns of a rectangle given in face units, cut to the canvas."""
        (x, y), size = self.origin, self.pixels
        rows = np.clip((round(y + top * self.unit), round(y + bottom * self.unit)), 0, size)
        columns = np.clip((round(x + left * self.unit), round(x + right * self.unit)), 0, size)
        return slice(int(rows[0]), int(rows[1])), slice(int(columns[0]), int(columns[1]))

    def points(self, uv: NDArray[np.floating]) -> NDArray[np.int32]:
        """(n, 2) points in face units as OpenCV draws them with `SUBPIXEL` fractional bits."""
        return np.round((np.asarray(uv) * self.unit + self.origin) * (1 << SUBPIXEL)).astype(np.int32)


SUBPIXEL = 4


def blurred(image: Image, deviation: float) -> Image:
    """`image` under a Gaussian of `deviation` pixels."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), max(deviation, 0.3)), np.float32)


def smoothstep(low: float | np.floating, high: float | np.floating, x: Image) -> Image:
    """0 at `low`, 1 at `high`, smooth between; `low` may be the larger."""
    t = np.clip((x - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def bump(u: Image, v: Image, centre: tuple[float, float], radii: tuple[float, float]) -> Image:
    """A Gaussian hill of height 1."""
    return np.asarray(
        np.exp(-(((u - centre[0]) / radii[0]) ** 2) - ((v - centre[1]) / radii[1]) ** 2), np.float32
    )


def mixed(under: Image, over: Image, alpha: Image) -> Image:
    """`over` laid upon `under`, both (h, w, 3), with `alpha` (h, w)."""
    return np.asarray(under + (over - under) * alpha[..., None], np.float32)


def encoded(linear: Image) -> Pixels:
    """Linear light as eight bits under a gamma of 2, with the brightest rolled off rather than clipped."""
    rolled = np.where(linear > 0.7, 0.7 + 0.3 * np.tanh((linear - 0.7) / 0.3), linear)
    return np.asarray(np.sqrt(np.clip(rolled, 0, 1)) * 255 + 0.5, np.uint8)
