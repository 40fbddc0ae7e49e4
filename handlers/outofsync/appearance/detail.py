"""Fine detail of a face, and what changes from one picture to the next, seen by a small network in colour.

The other ways of looking leave texture to hand-made numbers, or do without it. This one sees the crop at the
size at which it is measured, its fine structure apart from the rest, and the difference to the next frame.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from outofsync.frames import Frames
from outofsync.synchrony.embedding import STEM_REACH

LOOKS = 4  # pairs of neighbouring frames in a stretch
CHANNELS = 9  # a picture in colour, its difference to the next, its fine structure
FINE_SIDE = 5  # px over which the mean is taken that fine structure is what remains of
DIFFERENCE_GAIN, FINE_GAIN = 4.0, 6.0  # both are small against the picture itself


def pairs_of(frames: int) -> NDArray[np.int64]:
    """The frames (pairs, 2) of a stretch that are looked at, evenly spaced."""
    first = np.linspace(STEM_REACH, frames - STEM_REACH - 1, LOOKS).astype(np.int64)
    return np.stack([first, first + 1], 1)


def looks_of(crops: Frames) -> Tensor:
    """uint8 (frames, side, side, 3) crops of a stretch → uint8 (pairs, 2, 3, side, side)."""
    return as_looks(crops[pairs_of(len(crops))])


def as_looks(pairs: Frames) -> Tensor:
    """uint8 (pairs, 2, side, side, 3) → the same with channels before height and width."""
    return torch.from_numpy(pairs).permute(0, 1, 4, 2, 3).contiguous()


def prepared(looks: Tensor) -> Tensor:
    """uint8 (batch, pairs, 2, 3, side, side) → float32 (batch · pairs, 9, side, side)."""
    first, second = (looks.flatten(0, 1).float() / 128 - 1).unbind(1)
    fine = first - F.avg_pool2d(first, FINE_SIDE, 1, FINE_SIDE // 2)
    return torch.cat([first, (second - first) * DIFFERENCE_GAIN, fine * FINE_GAIN], 1)


class DetailNetwork(nn.Module):
    """Seven convolutions on each pair of frames; one logit for all pairs of a stretch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.frame = nn.Sequential(
            *_layer(CHANNELS, width, 2),
            *_layer(width, width, 1),
            *_layer(width, 2 * width, 2),
            *_layer(2 * width, 2 * width, 1),
            *_layer(2 * width, 4 * width, 2),
            *_layer(4 * width, 4 * width, 1),
            *_layer(4 * width, 4 * width, 2),
        )
        self.dropout = nn.Dropout(0.5)
        self.out = nn.Linear(8 * width, 1)

    def forward(self, looks: Tensor) -> Tensor:
        """uint8 (batch, pairs, 2, 3, side, side) → logits (batch,)."""
        seen = self.frame(prepared(looks))
        seen = torch.cat([seen.mean((2, 3)), seen.amax((2, 3))], 1).float()
        out: Tensor = self.out(self.dropout(seen.view(*looks.shape[:2], -1).mean(1)))[:, 0]
        return out


def _layer(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]
