"""What happens to pictures after the sensor, for batches on a graphics card: scaling, noise, compression.

The counterpart of the same steps in :mod:`training.blur`, which do it for one frame on a processor. Pictures
are whole numbers 0 … 255 as float32, (batch, 3, side, side); the side is a multiple of 16.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from training.blur import BlurSettings

BLOCK = 8  # px, side of what JPEG transforms
# Annex K of the JPEG standard: what libjpeg scales by its quality.
LUMA = """
16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99
"""
CHROMA = (
    """
17 18 24 47 99 99 99 99 18 21 26 66 99 99 99 99 24 26 56 99 99 99 99 99 47 66 99 99 99 99 99 99
"""
    + "99 " * 32
)
# Frames are RGB, and training.blur codes them as if they were BGR, so here too blue and red change places.
TO_YCC = ((0.114, 0.587, 0.299), (0.5, -0.331264, -0.168736), (-0.081312, -0.418688, 0.5))
FROM_YCC = ((1.0, 1.772, 0.0), (1.0, -0.344136, -0.714136), (1.0, 0.0, 1.402))


def whole(pictures: Tensor) -> Tensor:
    """Rounded to what eight bits can hold (float32 of any shape)."""
    return pictures.add(0.5).floor_().clamp_(0, 255)


class Rescaling:
    """Sent small, shown large: both steps as matrices, which are what OpenCV makes of unit vectors."""

    def __init__(self, side: int, settings: BlurSettings, device: torch.device) -> None:
        self._first, last = (round(side * scale) for scale in settings.scale)
        self._scale, self._side = settings.scale, side
        sizes = range(self._first, last + 1)
        smaller = np.zeros((len(sizes), last, side), np.float32)
        larger = np.zeros((2, len(sizes), side, last), np.float32)
        for row, size in enumerate(sizes):
            smaller[row, :size] = _resizing(side, size, cv2.INTER_AREA)
            for kind, interpolation in enumerate((cv2.INTER_LINEAR, cv2.INTER_CUBIC)):
                larger[kind, row, :, :size] = _resizing(size, side, interpolation)
        self._smaller = torch.from_numpy(smaller).to(device)
        self._larger = torch.from_numpy(larger).to(device)

    def __call__(self, pictures: Tensor, generator: torch.Generator) -> Tensor:
        """(batch, 3, side, side) of 0 … 255 → the same, each by a scale of its own."""
        count, device = len(pictures), pictures.device
        scale = uniform(self._scale, count, generator)
        row = (scale * self._side).round().long() - self._first
        kind = torch.randint(2, (count,), generator=generator, device=device)
        smaller, larger = self._smaller[row][:, None], self._larger[kind, row][:, None]
        small = whole(smaller @ pictures @ smaller.transpose(-1, -2))
        return whole(larger @ small @ larger.transpose(-1, -2))


def add_noise(pictures: Tensor, settings: BlurSettings, generator: torch.Generator) -> Tensor:
    """Sensor noise, mostly the same in the three colours: (batch, 3, side, side) of 0 … 255 → the same."""
    count, colours, height, width = pictures.shape
    level = uniform(settings.noise, count, generator)[:, None, None, None]
    shared, own = (
        torch.randn((count, planes, height, width), generator=generator, device=pictures.device)
        for planes in (1, colours)
    )
    return whole(pictures + level * (shared + own / 2))


class Jpeg:
    """What decodes from a JPEG of each picture, colour at half the size, as libjpeg does it."""

    def __init__(self, device: torch.device) -> None:
        # Made once: a constant sent in every step would have the processor wait for the card each time.
        self._to_ycc, self._from_ycc = (torch.tensor(rows, device=device) for rows in (TO_YCC, FROM_YCC))
        self._luma, self._chroma = (
            torch.tensor([int(step) for step in table.split()], device=device).view(BLOCK, BLOCK)
            for table in (LUMA, CHROMA)
        )
        self._cosines = torch.from_numpy(_cosines()).to(device)

    def compress(self, pictures: Tensor, settings: BlurSettings, generator: torch.Generator) -> Tensor:
        """With random quality: (batch, 3, side, side) of 0 … 255 → the same."""
        low, high = settings.quality
        quality = torch.randint(low, high + 1, (len(pictures),), generator=generator, device=pictures.device)
        return self(pictures, quality)

    def __call__(self, pictures: Tensor, quality: Tensor) -> Tensor:
        """(batch, 3, side, side) of 0 … 255, qualities (batch,) of 1 … 100 → pictures of the same shape."""
        ycc = torch.einsum("ij,bjhw->bihw", self._to_ycc, pictures)
        luma, colour = ycc[:, :1].round(), (ycc[:, 1:] + 128).round()
        percent = torch.where(quality < 50, 5000 // quality, 200 - 2 * quality)
        luma = self._quantised(luma, _steps(self._luma, percent))
        colour = self._quantised(F.avg_pool2d(colour, 2).round(), _steps(self._chroma, percent))
        colour = F.interpolate(colour, scale_factor=2, mode="bilinear", align_corners=False).round() - 128
        return whole(torch.einsum("ij,bjhw->bihw", self._from_ycc, torch.cat([luma, colour], 1)))

    def _quantised(self, planes: Tensor, steps: Tensor) -> Tensor:
        """Blocks of 8×8 to frequencies, rounded to their steps, and back."""
        batch, count, height, width = planes.shape
        blocks = planes.reshape(batch, count, height // BLOCK, BLOCK, width // BLOCK, BLOCK).transpose(3, 4)
        steps = steps[:, None, None, None]
        waves = (self._cosines @ (blocks - 128) @ self._cosines.T).div(steps).round().mul(steps)
        back = whole(self._cosines.T @ waves @ self._cosines + 128)
        return back.transpose(3, 4).reshape(planes.shape)


def uniform(limits: tuple[float, float], count: int, generator: torch.Generator) -> Tensor:
    """(count,) between the limits, where the generator is."""
    low, high = limits
    return low + (high - low) * torch.rand(count, generator=generator, device=generator.device)


def _resizing(before: int, after: int, interpolation: int) -> NDArray[np.float32]:
    """(after, before): resizing along one axis."""
    unit = np.eye(before, dtype=np.float32)
    return np.asarray(cv2.resize(unit, (before, after), interpolation=interpolation), np.float32)


def _steps(table: Tensor, percent: Tensor) -> Tensor:
    """Quantisation steps (batch, 8, 8), given in percent of the standard's table."""
    return ((table * percent[:, None, None] + 50) // 100).clamp(1, 255).float()


def _cosines() -> NDArray[np.float32]:
    """The orthonormal cosine transform of eight values."""
    at, wave = np.arange(BLOCK)[None] + 0.5, np.arange(BLOCK)[:, None]
    rows = np.cos(np.pi * at * wave / BLOCK) * np.where(wave == 0, np.sqrt(1 / BLOCK), np.sqrt(2 / BLOCK))
    return rows.astype(np.float32)
