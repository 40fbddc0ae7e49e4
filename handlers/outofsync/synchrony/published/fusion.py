"""The published transformer that judges one picture window against one chunk of sound (docs/method.md)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Attention(nn.Module):
    """Attention of all tokens to one another, (batch, tokens, width) → same."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(width, 3 * width, bias=False)
        self.to_out = nn.Sequential(nn.Linear(width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        return self.mixed(self.to_qkv(tokens))

    def mixed(self, projected: Tensor) -> Tensor:
        """What tokens get, given their queries, keys and values side by side (batch, tokens, 3 · width)."""
        query, key, value = (
            part.reshape(*part.shape[:2], self.heads, -1).transpose(1, 2)
            for part in projected.chunk(3, dim=-1)
        )  # (batch, heads, tokens, head size)
        mixed = F.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.to_out(mixed.transpose(1, 2).flatten(2))
        return out


class FeedForward(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        # The identities stand where the published program drops out while training.
        self.net = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.Identity(), nn.Linear(width, width), nn.Identity()
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, tokens, width) → the same."""
        out: Tensor = self.net(tokens)
        return out


class PreNorm(nn.Module):
    def __init__(self, width: int, fn: nn.Module) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fn = fn

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, tokens, width) → the same."""
        out: Tensor = self.fn(self.norm(tokens))
        return out


class Block(nn.ModuleList):
    """Attention and feed-forward with residuals."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__([PreNorm(width, Attention(width, heads)), PreNorm(width, FeedForward(width))])

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, tokens, width) → the same."""
        attention, feed_forward = self
        tokens = tokens + attention(tokens)
        out: Tensor = tokens + feed_forward(tokens)
        return out

    def parts(self) -> tuple[nn.LayerNorm, Attention, PreNorm]:
        """The norm before the attention, the attention, and the feed-forward with its own norm."""
        attention, feed_forward = self
        assert isinstance(attention, PreNorm)
        assert isinstance(attention.fn, Attention)
        assert isinstance(feed_forward, PreNorm)
        return attention.norm, attention.fn, feed_forward


class Transformer(nn.Module):
    """Blocks over (batch, tokens, width) → the class token, (batch, width)."""

    def __init__(self, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Block(width, heads) for _ in range(depth))

    def forward(self, tokens: Tensor) -> Tensor:
        for block in self.layers:
            tokens = block(tokens)
        return tokens[:, 0]


class Fusion(nn.Module):
    """Turns encoder outputs into tokens, and a class token, audio and video tokens into one logit.

    ``visual_length`` and ``audio_length`` are those of the learned embeddings; windows may use fewer.
    """

    def __init__(
        self, *, width: int, depth: int, heads: int, grid: int, visual_length: int, audio_length: int
    ) -> None:
        super().__init__()
        self.pos_embedding = nn.Parameter(torch.zeros(1, width, 1, grid, grid))
        self.visual_modality_embeding = nn.Parameter(torch.zeros(1, width, 1))  # spelt as published
        self.audio_modality_embeding = nn.Parameter(torch.zeros(1, width, 1))
        self.temporal_visual_embedding = nn.Parameter(torch.zeros(1, width, visual_length))
        self.temporal_audio_embedding = nn.Parameter(torch.zeros(1, width, audio_length))
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.transformer = Transformer(width, depth, heads)
        self.mlp_head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 1))

    def visual_tokens(self, windows: Tensor) -> Tensor:
        """Visual map (batch, width, frames, grid, grid) → tokens (batch, frames, width)."""
        pooled = (windows + self.pos_embedding).amax(dim=(-2, -1))
        temporal = self.temporal_visual_embedding[:, :, : pooled.shape[-1]]
        return _reinterpreted(pooled + temporal + self.visual_modality_embeding)

    def audio_tokens(self, chunks: Tensor) -> Tensor:
        """Audio encoding (batch, width, steps) → tokens (batch, steps, width)."""
        temporal = self.temporal_audio_embedding[:, :, : chunks.shape[-1]]
        return _reinterpreted(chunks + temporal + self.audio_modality_embeding)

    def logits(self, visual: Tensor, audio: Tensor) -> Tensor:
        """Tokens of pairs → one logit for each, (batch,)."""
        class_token = self.cls_token.expand(len(visual), -1, -1)
        out: Tensor = self.mlp_head(self.transformer(torch.cat([class_token, audio, visual], dim=1)))
        return out.squeeze(-1)

    @staticmethod
    def features(visual: Tensor, audio: Tensor) -> Tensor:
        """Tokens of pairs at zero delay → audio-visual features (batch, 2 · width)."""
        return torch.cat([visual.amax(dim=1), audio.amax(dim=1)], dim=1)


def _reinterpreted(x: Tensor) -> Tensor:
    """(batch, width, t) read as (batch, t, width) without moving a number.

    No transpose: the published weights were trained with this quirk, and mean nothing without it.
    """
    batch, width, length = x.shape
    return x.reshape(batch, length, width)
