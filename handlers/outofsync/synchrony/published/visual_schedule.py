"""The published visual encoder, with what windows share computed once.

The first two layers see single frames. So does the first convolution of the third, tap by tap: what it makes
of a frame in a window is the sum of what its kernel makes of the frame before, the frame itself and the frame
after, and a window's first and last frames lack one of the three. Beyond that, hardly anything is shared:
after the second convolution only the middle one of five maps is the same in every window that holds its
frame, and after the third none. Computed by frames and taps, the second would need about half its
multiplications; Winograd's tiles, which span time, leave it fewer.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import convert_conv3d_weight_memory_format

from outofsync.constants import WINDOW_FRAMES
from outofsync.synchrony.published.encoders import BasicBlock, VisualEncoder
from outofsync.synchrony.published.winograd import use_winograd


class SharedVisualEncoder(nn.Module):
    """Takes over ``encoder``, whose batch norms are folded and whose maps are ``side`` pixels wide."""

    def __init__(self, encoder: VisualEncoder, side: int, *, winograd: bool) -> None:
        super().__init__()
        first, second = encoder.layer3
        assert isinstance(first, BasicBlock)
        self._frames = encoder
        self._taps = _taps_as_channels(first.conv1)
        self._shortcut = first.downsample
        self._windows = nn.ModuleList([first.conv2, second, encoder.layer4])
        if winograd:
            use_winograd(self._windows, WINDOW_FRAMES, side)
        # Frames arrive with their channels last; kernels laid out alike spare a reordering at each layer.
        convert_conv3d_weight_memory_format(self, torch.channels_last_3d)

    def encode_frames(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """What depends on single frames, with channels last.

        RGB 0 … 255 (frames, 3, 224, 224) → taps (frames, 14, 14, 3 · channels) and shortcuts (…, channels).
        """
        features = self._frames.encode_frames(frames.unsqueeze(2))
        taps, shortcuts = self._taps(features), self._shortcut(features)
        return taps.squeeze(2).permute(0, 2, 3, 1), shortcuts.squeeze(2).permute(0, 2, 3, 1)

    def encode_windows(self, taps: Tensor, shortcuts: Tensor) -> Tensor:
        """All windows of consecutive frames → (windows, width, 5, 14, 14)."""
        second_conv, second_block, layer4 = self._windows
        shortcuts = shortcuts.unfold(0, WINDOW_FRAMES, 1).permute(0, 3, 4, 1, 2)
        first_block = second_conv(_first_maps(taps))
        first_block += shortcuts
        out: Tensor = layer4(second_block(first_block.relu_()))
        return out


def _taps_as_channels(conv: nn.Conv3d) -> nn.Conv3d:
    """A convolution that sees three frames as one that sees one frame and yields each tap by itself.

    The middle tap, which every frame of a window has, carries the bias.
    """
    assert conv.bias is not None
    taps = nn.Conv3d(conv.in_channels, 3 * conv.out_channels, (1, 3, 3), (1, 2, 2), (0, 1, 1))
    weight, nothing = torch.cat(conv.weight.chunk(3, dim=2)), torch.zeros_like(conv.bias)
    taps.load_state_dict({"weight": weight, "bias": torch.cat([nothing, conv.bias, nothing])})
    return taps


def _first_maps(taps: Tensor) -> Tensor:
    """Taps summed and rectified: (frames, 14, 14, 3 · channels) → (windows, channels, 5, 14, 14).

    They lie in memory as convolutions by Winograd's method want them.
    """
    windows = len(taps) - WINDOW_FRAMES + 1
    before, same, after = taps.permute(1, 2, 0, 3).chunk(3, dim=-1)  # each (14, 14, frames, channels)
    maps = same.new_empty(WINDOW_FRAMES, *same.shape[:2], windows, same.shape[-1])
    for place, sums in enumerate(maps):
        sums.copy_(same[:, :, place : place + windows])
        if place > 0:
            sums += before[:, :, place - 1 : place - 1 + windows]
        if place < WINDOW_FRAMES - 1:
            sums += after[:, :, place + 1 : place + 1 + windows]
    return maps.relu_().permute(3, 4, 0, 1, 2)
