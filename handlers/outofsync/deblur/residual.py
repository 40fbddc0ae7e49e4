"""The default deblurring network: a small U-Net on quarter-size pictures that predicts what to add.

Moving each 4×4 block of pixels into channels makes a U-Net built like the published light one
(docs/method.md) sixteen times cheaper without losing a pixel, and adding its output to the input means that
it only has to learn the difference: untrained it changes nothing, and a sharp picture asks nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from outofsync.checkpoints.store import Checkpoint, CheckpointError
from outofsync.deblur.unet import UNetDeblurLight

ARCHITECTURE = "residual_unet"
BLOCK = 4  # px a side that become channels
STRIDE = 8 * BLOCK  # the U-Net halves its picture three times; sides are padded to whole multiples
WIDTHS = (40, 64, 96, 128)  # unlike the published ones, most of the sums are spent on fine detail


class ResidualUNet(nn.Module):
    """RGB in 0 … 1 → RGB, (batch, 3, height, width), for frames of any size."""

    def __init__(self, *, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        self.widths = tuple(widths)
        channels = 3 * BLOCK * BLOCK
        self.unet = UNetDeblurLight(in_channels=channels, out_channels=channels, widths=widths)
        nn.init.zeros_(self.unet.final.weight)
        if self.unet.final.bias is not None:
            nn.init.zeros_(self.unet.final.bias)

    def forward(self, x: Tensor) -> Tensor:
        """RGB in 0 … 1 → RGB, (batch, 3, height, width)."""
        height, width = x.shape[-2:]
        # Repeating the edge, unlike mirroring it, works for frames smaller than the padding. Face crops need
        # none, and are spared the copy that padding by nothing would be.
        beyond = (0, -width % STRIDE, 0, -height % STRIDE)
        padded = F.pad(x, beyond, mode="replicate") if any(beyond) else x
        difference = F.pixel_shuffle(self.unet(F.pixel_unshuffle(padded, BLOCK)), BLOCK)
        # In place, but in the precision of the picture: sixteen bits would round away what is added.
        return difference[..., :height, :width].to(x.dtype).add_(x)


def load_residual(checkpoint: Checkpoint) -> ResidualUNet:
    """The checkpoint's network, ready to evaluate; raises :class:`CheckpointError` where they do not fit."""
    if checkpoint.architecture != ARCHITECTURE:
        raise CheckpointError(f"{checkpoint.architecture!r} is no {ARCHITECTURE!r}")
    try:
        network = ResidualUNet(**checkpoint.config)
        network.load_state_dict(checkpoint.tensors)
    except (RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(f"the tensors do not fit {ARCHITECTURE!r}: {error}") from None
    return network.eval()
