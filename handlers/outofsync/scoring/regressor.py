"""The published autoregressive models of genuine speech, under their tensor names (docs/method.md).

Both predict the next step of a 31-channel sequence: one of delay distributions, one of audio-visual features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CHANNELS = 31
WIDTH = 256
HEADS = 16
STEPS = 49  # one less than the windows of a segment
NORM_EPSILON = 1e-6


class Norm(nn.Module):
    """Layer norm that divides by the unbiased standard deviation plus ε, not by the root of a variance."""

    def __init__(self) -> None:
        super().__init__()
        self.a_2 = nn.Parameter(torch.ones(WIDTH))
        self.b_2 = nn.Parameter(torch.zeros(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, steps, width) → the same."""
        spread, mean = torch.std_mean(x, dim=-1, keepdim=True)
        return self.a_2 * (x - mean) / (spread + NORM_EPSILON) + self.b_2


class UnusedCompression(nn.Module):
    """Holds tensors which the published files carry and the published program never uses."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(WIDTH, WIDTH, 1, groups=HEADS)


class CausalAttention(nn.Module):
    """Attention to earlier steps and to one learned null step that is always visible."""

    def __init__(self) -> None:
        super().__init__()
        self.null_k = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.null_v = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.compress_fn = UnusedCompression()
        self.to_qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.to_out = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, steps, width) → the same."""
        batch, steps, _ = x.shape
        query, key, value = self.to_qkv(x).chunk(3, dim=-1)
        key = torch.cat([self.null_k.expand(batch, -1, -1), key], dim=1)
        value = torch.cat([self.null_v.expand(batch, -1, -1), value], dim=1)
        query, key, value = (
            part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in (query, key, value)
        )  # (batch, heads, steps [+ 1], head size)
        visible = torch.ones(steps, steps + 1, dtype=torch.bool, device=x.device).tril(1)
        # The published scale is that of the full width, not of one head.
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=visible, scale=WIDTH**-0.5)
        out: Tensor = self.to_out(mixed.transpose(1, 2).flatten(2))
        return out


class FeedForward(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w_1 = nn.Linear(WIDTH, WIDTH)
        self.w_2 = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, steps, width) → the same."""
        out: Tensor = self.w_2(F.relu(self.w_1(x)))
        return out


class DecoderBlock(nn.Module):
    """Attention, then feed-forward, each added to its input and normalised by one norm that both share."""

    def __init__(self) -> None:
        super().__init__()
        self.docoder = CausalAttention()  # spelt as in the published files
        self.norm = Norm()
        self.ff = FeedForward()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, steps, width) → the same."""
        x = self.norm(self.docoder(x) + x)
        out: Tensor = self.norm(self.ff(x) + x)
        return out


class Regressor(nn.Module):
    """(batch, steps ≤ 49, 31) → the prediction of each following step, same shape.

    Attention is causal: the zeros with which the published program pads short segments change no real step,
    and are left out here.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lin1 = nn.Linear(CHANNELS, WIDTH)
        self.pos_embedding = nn.Parameter(torch.zeros(1, STEPS, WIDTH))
        self.decoder1 = DecoderBlock()
        self.decoder2 = DecoderBlock()
        self.lin2 = nn.Linear(WIDTH, CHANNELS)

    def forward(self, sequence: Tensor) -> Tensor:
        x = F.relu(self.lin1(sequence)) + self.pos_embedding[:, : sequence.shape[1]]
        out: Tensor = self.lin2(self.decoder2(self.decoder1(x)))
        return out
