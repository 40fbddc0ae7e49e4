"""The two published deblurring networks, under their published tensor names (docs/method.md).

Both map RGB in 0 … 1 to RGB, (batch, 3, height, width), for any frame of at least 8 px a side.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from outofsync.checkpoints.store import Checkpoint, CheckpointError

WIDTHS = (64, 128, 256, 512, 1024)  # the last is the bottleneck's
LIGHT_WIDTHS = (32, 64, 128, 256)


class DoubleConv(nn.Module):
    """3×3 convolution, batch norm and ReLU, twice."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.double_conv = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, height, width) → (batch, outputs, height, width)."""
        out: Tensor = self.double_conv(x)
        return out


def join(skip: Tensor, up: Tensor) -> Tensor:
    """(batch, channels, height, width) twice → their channels together, [skip, up].

    ``up`` is resized where a side was odd or no pool lay between the two.
    """
    if up.shape[-2:] != skip.shape[-2:]:
        up = F.interpolate(up, skip.shape[-2:], mode="bilinear", align_corners=True)
    return torch.cat([skip, up], dim=1)


class Down(nn.Module):
    """Halve the picture, then convolve."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = DoubleConv(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, height, width) → (batch, outputs, height / 2, width / 2)."""
        out: Tensor = self.conv(F.max_pool2d(x, 2))
        return out


class Up(nn.Module):
    """Double the picture, join it with the encoder's, then convolve."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.upconv = nn.ConvTranspose2d(inputs, outputs, 2, stride=2)
        self.conv = DoubleConv(2 * outputs, outputs)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(batch, inputs, height, width), a skip of about twice its sides → (batch, outputs, as skip)."""
        out: Tensor = self.conv(join(skip, self.upconv(x)))
        return out


class UNetDeblur(nn.Module):
    """The large network (31.0 M parameters at its published widths).

    Its bottleneck keeps the size of the deepest encoder stage, so the first upward step is always resized
    back.
    """

    def __init__(
        self, *, in_channels: int = 3, out_channels: int = 3, widths: Sequence[int] = WIDTHS
    ) -> None:
        super().__init__()
        *stages, bottleneck = widths
        upward = [bottleneck, *reversed(stages)]
        self.initial = DoubleConv(in_channels, stages[0])
        self.encoder = nn.ModuleList(map(Down, stages[:-1], stages[1:]))
        self.bottleneck = DoubleConv(stages[-1], bottleneck)
        self.decoder = nn.ModuleList(map(Up, upward[:-1], upward[1:]))
        self.final_conv = nn.Conv2d(stages[0], out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """RGB in 0 … 1 → RGB, (batch, 3, height, width)."""
        skips = [self.initial(x)]
        for down in self.encoder:
            skips.append(down(skips[-1]))
        x = self.bottleneck(skips[-1])
        for up in self.decoder:
            x = up(x, skips.pop())
        out: Tensor = self.final_conv(x)
        return out


class UNetDeblurLight(nn.Module):
    """The small network (1.93 M parameters at its published widths): a regular three-level U-Net."""

    def __init__(
        self, *, in_channels: int = 3, out_channels: int = 3, widths: Sequence[int] = LIGHT_WIDTHS
    ) -> None:
        super().__init__()
        first, second, third, bottleneck = widths
        self.enc1 = DoubleConv(in_channels, first)
        self.enc2 = DoubleConv(first, second)
        self.enc3 = DoubleConv(second, third)
        self.bottleneck = DoubleConv(third, bottleneck)
        self.up3 = nn.ConvTranspose2d(bottleneck, third, 2, stride=2)
        self.dec3 = DoubleConv(2 * third, third)
        self.up2 = nn.ConvTranspose2d(third, second, 2, stride=2)
        self.dec2 = DoubleConv(2 * second, second)
        self.up1 = nn.ConvTranspose2d(second, first, 2, stride=2)
        self.dec1 = DoubleConv(2 * first, first)
        self.final = nn.Conv2d(first, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """RGB in 0 … 1 → RGB, (batch, 3, height, width)."""
        skip1 = self.enc1(x)
        skip2 = self.enc2(F.max_pool2d(skip1, 2))
        skip3 = self.enc3(F.max_pool2d(skip2, 2))
        x = self.bottleneck(F.max_pool2d(skip3, 2))
        x = self.dec3(join(skip3, self.up3(x)))
        x = self.dec2(join(skip2, self.up2(x)))
        x = self.dec1(join(skip1, self.up1(x)))
        out: Tensor = self.final(x)
        return out


ARCHITECTURES: dict[str, type[UNetDeblur] | type[UNetDeblurLight]] = {
    "unet": UNetDeblur,
    "unet_light": UNetDeblurLight,
}


def load_unet(checkpoint: Checkpoint) -> UNetDeblur | UNetDeblurLight:
    """The checkpoint's network, ready to evaluate; raises :class:`CheckpointError` where they do not fit."""
    network_class = ARCHITECTURES.get(checkpoint.architecture)
    if network_class is None:
        raise CheckpointError(f"{checkpoint.architecture!r} is none of the U-Nets {', '.join(ARCHITECTURES)}")
    try:
        network = network_class(**checkpoint.config)
        network.load_state_dict(checkpoint.tensors)
    except (RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(f"the tensors do not fit {checkpoint.architecture!r}: {error}") from None
    return network.eval()
