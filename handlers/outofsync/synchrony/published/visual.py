"""The published visual encoder: a ResNet-18 whose later half also sees time (METHOD §3)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class BasicBlock(nn.Module):
    """Two convolutions around a shortcut; ``duration`` is how many frames a kernel spans, 1 or 3."""

    def __init__(self, inputs: int, outputs: int, *, duration: int, stride: int = 1) -> None:
        super().__init__()
        kernel, padding = (duration, 3, 3), (duration // 2, 1, 1)
        self.conv1 = nn.Conv3d(inputs, outputs, kernel, (1, stride, stride), padding, bias=False)
        self.bn1 = nn.BatchNorm3d(outputs)
        self.conv2 = nn.Conv3d(outputs, outputs, kernel, padding=padding, bias=False)
        self.bn2 = nn.BatchNorm3d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv3d(inputs, outputs, 1, (1, stride, stride), bias=False), nn.BatchNorm3d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        # In place: maps are large, and memory that is new at every layer costs time.
        out: Tensor = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)), inplace=True)))
        out += self.downsample(x)
        return F.relu(out, inplace=True)


def stage(inputs: int, outputs: int, *, duration: int, stride: int) -> nn.Sequential:
    """Two blocks, of which the first changes width and size."""
    return nn.Sequential(
        BasicBlock(inputs, outputs, duration=duration, stride=stride),
        BasicBlock(outputs, outputs, duration=duration),
    )


class VisualEncoder(nn.Module):
    """RGB 0 … 255 (batch, 3, frames, 224, 224) → (batch, width, frames, 14, 14).

    The first half treats every frame by itself, so neighbouring windows can share it.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        stem = width // 8
        self.conv1 = nn.Conv3d(3, stem, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False)
        self.bn1 = nn.BatchNorm3d(stem)
        self.layer1 = stage(stem, stem, duration=1, stride=1)
        self.layer2 = stage(stem, width // 4, duration=1, stride=2)
        self.layer3 = stage(width // 4, width // 2, duration=3, stride=2)
        self.layer4 = stage(width // 2, width, duration=3, stride=1)

    def encode_frames(self, frames: Tensor) -> Tensor:
        """What depends on single frames: → (batch, width / 4, frames, 28, 28)."""
        x = F.relu(self.bn1(self.conv1(frames)), inplace=True)
        x = F.max_pool3d(x, (1, 3, 3), (1, 2, 2), (0, 1, 1))
        out: Tensor = self.layer2(self.layer1(x))
        return out

    def encode_windows(self, features: Tensor) -> Tensor:
        """What depends on a window's ends, beyond which its frames are padded with zeros."""
        out: Tensor = self.layer4(self.layer3(features))
        return out

    def forward(self, frames: Tensor) -> Tensor:
        return self.encode_windows(self.encode_frames(frames))
