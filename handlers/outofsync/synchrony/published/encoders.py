"""The published encoders (docs/method.md): a ResNet-18 whose later half also sees time, and one of sound."""

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
        """(batch, inputs, frames, height, width) → (batch, outputs, frames, …), sides over the stride."""
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
    """The first half treats every frame by itself, so neighbouring windows can share it."""

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
        """What depends on a window's ends, beyond which frames are zero: → (batch, width, frames, 14, 14)."""
        out: Tensor = self.layer4(self.layer3(features))
        return out

    def forward(self, frames: Tensor) -> Tensor:
        """RGB 0 … 255 (batch, 3, frames, 224, 224) → (batch, width, frames, 14, 14)."""
        return self.encode_windows(self.encode_frames(frames))


class AudioEncoder(nn.Module):
    """Seven convolutions over bands and steps of one window's sound."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half, three_quarters = width // 2, 3 * width // 4
        self.conv1 = nn.Conv2d(1, width // 8, 3, stride=(2, 1), padding=1)
        self.bn1 = nn.BatchNorm2d(width // 8)
        self.conv2 = nn.Conv2d(width // 8, three_quarters // 2, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(three_quarters // 2)
        self.conv3 = nn.Conv2d(three_quarters // 2, three_quarters, 3, padding=1)
        self.bn3 = nn.BatchNorm2d(three_quarters)
        self.conv4 = nn.Conv2d(three_quarters, half, 3, padding=1)
        self.bn4 = nn.BatchNorm2d(half)
        self.conv5 = nn.Conv2d(half, half, 3, padding=1)
        self.bn5 = nn.BatchNorm2d(half)
        self.conv6 = nn.Conv2d(half, width, (4, 3), padding=(0, 1))
        self.bn6 = nn.BatchNorm2d(width)
        self.conv7 = nn.Conv2d(width, width, 1)

    def forward(self, mel: Tensor) -> Tensor:
        """Log-mel (batch, 1, 80 bands, 20 steps) → (batch, width, 4)."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(mel))), (3, 1), (2, 1))
        x = F.max_pool2d(F.relu(self.bn2(self.conv2(x))), 3, 2)
        x = F.relu(self.bn3(self.conv3(x)))
        x = F.relu(self.bn4(self.conv4(x)))
        x = F.max_pool2d(F.relu(self.bn5(self.conv5(x))), (2, 3), 2)
        out: Tensor = self.conv7(F.relu(self.bn6(self.conv6(x))))
        return out.squeeze(2)  # bands are used up: (batch, width, 1, 4) → (batch, width, 4)
