"""Batches of blurred and sharp pictures to learn from: faces blurred where the network learns, or folders.

Every batch follows from the seed and the number of its step alone, so that a resumed run sees what it would
have seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch
from torch import Tensor

from training.blur import BlurSettings, Frame, Random
from training.blur_batches import BatchBlur
from training.frame_pack import PackedFrame
from training.spans import inverse_frequency_weights

PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}

Pair = tuple[Frame, Frame]  # blurred, sharp


class PairSource(Protocol):
    """Where training batches come from."""

    def draw(self, step: int) -> tuple[Tensor, Tensor]:
        """Blurred and sharp pictures in 0 … 1, (batch, 3, side, side) each, of a step."""
        ...


class BlurredFrames:
    """Whole frames, which show blur from one side to the other as crops in use do; every other batch is cut.

    The frames lie where the network learns, which blurs them anew each time.
    """

    def __init__(
        self,
        frames: Sequence[PackedFrame],
        settings: BlurSettings,
        device: torch.device,
        *,
        batch: int,
        cut: int,
        seed: int,
        kernels: int = 8192,
    ) -> None:
        """``cut`` is the side (px) of what is cut from anywhere, so that codec blocks begin anywhere."""
        self._frames = planes([frame.picture() for frame in frames]).to(device)
        # Rare sources are drawn more often than their share.
        weights = inverse_frequency_weights([frame.source for frame in frames], 0.5)
        self._weights = torch.from_numpy(weights).to(device, torch.float32)
        self._batch, self._seed = batch, seed
        self._side = self._frames.shape[-1]
        self._cut = min(cut, self._side)
        self._blur = BatchBlur(self._side, settings, device, kernels=kernels)
        self._generator = torch.Generator(device)

    def draw(self, step: int) -> tuple[Tensor, Tensor]:
        """Blurred and sharp, (batch, 3, side, side) each, from 0 to 1; the same for the same step."""
        random = np.random.default_rng((self._seed, step))
        self._generator.manual_seed(int(random.integers(2**62)))
        rows = torch.multinomial(self._weights, self._batch, True, generator=self._generator)
        sharp = self._turned(self._frames[rows].float())
        pair = torch.stack([self._blur(sharp, self._generator), sharp]) / 255
        if random.uniform() < 0.5:
            top, left = random.integers(self._side - self._cut + 1, size=2).tolist()
            pair = pair[..., top : top + self._cut, left : left + self._cut]
        return pair[0], pair[1]

    def _turned(self, frames: Tensor) -> Tensor:
        """Mirrored every other time, and their brightness and contrast changed a little."""
        mirrored, gains, shifts = torch.rand(
            (3, len(frames), 1, 1, 1), generator=self._generator, device=frames.device
        )
        frames = torch.where(mirrored < 0.5, frames.flip(-1), frames)
        changed: Tensor = frames * (0.75 + 0.35 * gains) + 24 * shifts - 12
        return changed.clamp_(0, 255).floor_()


class PairedFolders:
    """Squares of pictures of the same name and size in two folders, as for the published networks."""

    def __init__(
        self, pairs: Sequence[Pair], device: torch.device, *, batch: int, cut: int, seed: int
    ) -> None:
        self._pairs, self._device = pairs, device
        self._batch, self._cut, self._seed = batch, cut, seed

    def draw(self, step: int) -> tuple[Tensor, Tensor]:
        """Blurred and sharp, (batch, 3, side, side) each, from 0 to 1; the same for the same step."""
        random = np.random.default_rng((self._seed, step))
        rows = random.integers(len(self._pairs), size=self._batch)
        squares = [square(self._pairs[row], random, self._cut) for row in rows]
        blurred, sharp = (planes(side).to(self._device) / 255 for side in zip(*squares, strict=True))
        return blurred, sharp


def planes(pictures: Sequence[Frame]) -> Tensor:
    """uint8 (pictures, 3, height, width)."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()


def square(pictures: Sequence[Frame], random: Random, side: int) -> list[Frame]:
    """The same random square (side, side, 3) of every picture; smaller pictures are enlarged first."""
    height, width = pictures[0].shape[:2]
    if min(height, width) < side:
        scale = side / min(height, width)
        size = max(side, round(width * scale)), max(side, round(height * scale))
        larger = [np.asarray(cv2.resize(picture, size), np.uint8) for picture in pictures]
        return square(larger, random, side)
    top = int(random.integers(height - side + 1))
    left = int(random.integers(width - side + 1))
    return [picture[top : top + side, left : left + side] for picture in pictures]


def read_pairs(blurred: Path, sharp: Path) -> list[Pair]:
    """Pairs by name; raises ValueError where a name lacks its other half or sizes differ."""
    names = [
        {path.name for path in folder.iterdir() if path.suffix.lower() in PICTURES}
        for folder in (blurred, sharp)
    ]
    if names[0] != names[1] or not names[0]:
        raise ValueError(
            f"pictures without a pair: {sorted(names[0] ^ names[1])[:5] or 'both folders are empty'}"
        )
    pairs = [(read_picture(blurred / name), read_picture(sharp / name)) for name in sorted(names[0])]
    if any(one.shape != other.shape for one, other in pairs):
        raise ValueError("the two pictures of a pair differ in size")
    return pairs


def read_picture(path: Path) -> Frame:
    """One picture file as uint8 (height, width, 3) RGB."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise ValueError(f"{path} is no picture")
    return np.asarray(picture, np.uint8)
