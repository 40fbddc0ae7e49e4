"""The mixture of blurs of :mod:`training.blur` for whole batches, made where the network learns.

A graphics card learns from frames far faster than processors blur them. Kinds, shares and
ranges are the same, and nothing here waits for the card: every batch has the same number of each.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from training.blur import (
    GAMMA,
    OPTICS_SHARES,
    BlurSettings,
    Light,
    Random,
    disc_kernel,
    motion_path,
    path_kernel,
)
from training.codec_batches import Jpeg, Rescaling, add_noise, uniform, whole

REACH = 14  # px on each side of a kernel's middle: more than the longest path or widest Gaussian takes
MOMENTS = 9  # of a turning head


def kernel_bank(count: int, random: Random, settings: BlurSettings) -> Tensor:
    """Kernels of motion, defocus and Gaussian blur in the shares they have: (count, side, side)."""
    shares = np.array(OPTICS_SHARES[:3])
    kinds: tuple[Callable[[], Light], ...] = (
        lambda: path_kernel(
            motion_path(random, random.uniform(*settings.motion), settings.bend * random.uniform() ** 2)
        ),
        lambda: disc_kernel(random.uniform(*settings.defocus)),
        lambda: _gauss_kernel(random.uniform(*settings.gauss)),
    )
    side = 2 * REACH + 1
    bank = np.zeros((count, side, side), np.float32)
    for row, kind in enumerate(random.choice(3, count, p=shares / shares.sum())):
        kernel = kinds[kind]()
        reach = len(kernel) // 2
        middle = slice(REACH - reach, REACH + reach + 1)
        bank[row, middle, middle] = kernel
    return torch.from_numpy(bank)


class BatchBlur:
    """Blurs batches of square frames, each in a way of its own."""

    def __init__(
        self, side: int, settings: BlurSettings, device: torch.device, *, kernels: int = 8192, seed: int = 0
    ) -> None:
        self._settings = settings
        self._bank = kernel_bank(kernels, np.random.default_rng(seed), settings).to(device)
        self._rescale = Rescaling(side, settings, device)
        self._jpeg = Jpeg(device)

    def __call__(self, frames: Tensor, generator: torch.Generator) -> Tensor:
        """Frames (batch, 3, side, side) of 0 … 255 as worse cameras would have sent them.

        The first of the batch (``sharp_share``) stay as they are.
        """
        settings = self._settings
        left = round(settings.sharp_share * len(frames))
        if left == len(frames):
            return frames
        turning = round(OPTICS_SHARES[3] * (len(frames) - left))
        kept, turned, others = torch.split(frames, [left, turning, len(frames) - left - turning])
        rows = torch.randint(len(self._bank), (len(others),), generator=generator, device=frames.device)
        light = torch.cat(
            [shake(_to_light(turned), settings, generator), filtered(_to_light(others), self._bank[rows])]
        )
        blurred = _from_light(light)
        steps: tuple[tuple[float, Callable[[Tensor], Tensor]], ...] = (
            (settings.scale_share, lambda some: self._rescale(some, generator)),
            (settings.noise_share, lambda some: add_noise(some, settings, generator)),
            (settings.compress_share, lambda some: self._jpeg.compress(some, settings, generator)),
        )
        for share, step in steps:
            order = torch.randperm(len(blurred), generator=generator, device=frames.device)
            if some := round(share * len(blurred)):
                blurred[order[:some]] = step(blurred[order[:some]])
        return torch.cat([kept, blurred])


def filtered(light: Tensor, kernels: Tensor) -> Tensor:
    """Pictures (batch, 3, height, width) correlated with a kernel each (batch, side, side).

    They are mirrored at their edges as OpenCV does.
    """
    height, width = light.shape[-2:]
    padded = F.pad(light, (REACH,) * 4, mode="reflect")
    # Lengths that are multiples of 32 transform fast; what wraps around them falls on the padding.
    size = tuple(-(-side // 32) * 32 for side in padded.shape[-2:])
    waves = torch.fft.rfft2(padded, s=size) * torch.fft.rfft2(kernels.flip(-1, -2), s=size)[:, None]
    blurred: Tensor = torch.fft.irfft2(waves, s=size)
    return blurred[..., 2 * REACH : 2 * REACH + height, 2 * REACH : 2 * REACH + width]


def shake(light: Tensor, settings: BlurSettings, generator: torch.Generator) -> Tensor:
    """The mean of what is seen while the head turns, nears and moves: linear (batch, 3, height, width)."""
    count, colours, height, width = light.shape
    moments = torch.linspace(-0.5, 0.5, MOMENTS, device=light.device)

    def drawn(low: float, high: float) -> Tensor:
        return uniform((low, high), count, generator)[:, None]

    turns = drawn(-1, 1) * settings.shake_turn * moments
    zooms = 1 + drawn(-1, 1) * settings.shake_zoom * moments
    centre = torch.cat([drawn(0, width), drawn(0, height)], 1)[:, None]  # (count, 1, 2), x before y
    shifts = _paths(drawn(0, settings.motion[1] / 2), settings.bend / 2, generator)
    # Where each pixel of a moment comes from: OpenCV's rotation about the centre, undone.
    turn_back = torch.stack([turns.cos(), -turns.sin(), turns.sin(), turns.cos()], -1) / zooms[..., None]
    y, x = torch.meshgrid(
        torch.arange(height, device=light.device), torch.arange(width, device=light.device), indexing="ij"
    )
    pixels = torch.stack([x, y], -1).float().view(1, 1, -1, 2) - (centre + shifts)[:, :, None]
    places = pixels @ turn_back.view(count, MOMENTS, 2, 2).transpose(-1, -2) + centre[:, :, None]
    x, y = places.unbind(-1)
    grid = torch.stack([x * 2 / (width - 1), y * 2 / (height - 1)], -1) - 1
    seen = F.grid_sample(
        light, grid.view(count, MOMENTS * height, width, 2), padding_mode="reflection", align_corners=True
    )
    return seen.view(count, colours, MOMENTS, height, width).mean(2)


def _paths(length: Tensor, bend: float, generator: torch.Generator) -> Tensor:
    """Paths as training.blur draws them: (count, moments, 2), around the origin."""
    shape = (len(length), MOMENTS)
    bends = torch.randn(shape, generator=generator, device=length.device).cumsum(1)
    first = torch.rand((len(length), 1), generator=generator, device=length.device) * 2 * math.pi
    heading = first + bends * bend / math.sqrt(MOMENTS)
    steps = torch.stack([heading.cos(), heading.sin()], -1) * (length / (MOMENTS - 1))[..., None]
    path = steps.cumsum(1)
    return path - path.mean(1, keepdim=True)


def _gauss_kernel(deviation: float) -> Light:
    """What cv2.GaussianBlur filters with at this standard deviation."""
    line = cv2.getGaussianKernel(round(8 * deviation + 1) | 1, deviation, cv2.CV_32F)
    return np.asarray(line @ line.T, np.float32)


def _to_light(frames: Tensor) -> Tensor:
    return (frames / 255).pow(GAMMA)


def _from_light(light: Tensor) -> Tensor:
    return whole(light.clamp(0, 1).pow(1 / GAMMA) * 255)
