"""The face network: was this face filmed, or made? One logit for a stretch of video.

It looks in several ways, each of which finds what the others miss, and adds up what they say:

* *views*: the mouth and the whole face, in grey and at 64 px, through the front of a
  synchronisation network that has learnt from genuine speech how lips go, and then over time. At that size
  fine texture, which cameras and codecs decide, is gone; what is left is movement.
* *texture*: how one part of a face compares with the rest of it (:mod:`outofsync.appearance.texture`).

The front stays as it is: with a few hundred generated clips to learn from, only what follows it is trained.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from outofsync.appearance.texture import NUMBERS
from outofsync.synchrony.embedding import EmbeddingConfig, TemporalBlock, VisualFront


@dataclass(frozen=True, slots=True)
class FaceConfig:
    """Sizes and widths; a checkpoint's ``config``."""

    picture: int = 64  # px, side of the grey picture of each view
    views: tuple[str, ...] = ("mouth", "whole")
    width: int = 96  # channels of what is followed over time
    blocks: int = 2  # each seeing ±2 frames more
    copies: int = 4  # heads of a view, trained apart: their mean is steadier than any
    dropout: float = 0.3


class ViewHead(nn.Module):
    """What one view says over time."""

    mean: Tensor
    spread: Tensor

    def __init__(self, config: FaceConfig, inputs: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("spread", torch.ones(inputs))
        self.take = nn.Linear(inputs, config.width)
        self.blocks = nn.Sequential(
            *(TemporalBlock(config.width, config.dropout) for _ in range(config.blocks))
        )
        self.norm = nn.LayerNorm(config.width)
        self.drop = nn.Dropout(config.dropout)
        self.out = nn.Linear(2 * config.width, 1)

    def forward(self, seen: Tensor) -> Tensor:
        """Vectors of the front (batch, frames, inputs) → a logit each (batch,)."""
        standard = (seen - self.mean) / self.spread
        followed = self.norm(self.blocks(self.take(self.drop(standard))))
        summary = torch.cat([followed.mean(1), followed.std(1)], 1)
        out: Tensor = self.out(self.drop(summary))[:, 0]
        return out


class TextureHead(nn.Module):
    """A logistic regression of the texture's numbers."""

    mean: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(NUMBERS))
        self.register_buffer("spread", torch.ones(NUMBERS))
        self.out = nn.Linear(NUMBERS, 1)

    def forward(self, numbers: Tensor) -> Tensor:
        """(batch, 186) → a logit each (batch,)."""
        out: Tensor = self.out((numbers - self.mean) / self.spread)[:, 0]
        return out


class FaceNetwork(nn.Module):
    """Views and texture of a stretch → one logit, higher where the face looks generated."""

    scale: Tensor

    def __init__(self, config: FaceConfig) -> None:
        super().__init__()
        self.config = config
        sight = EmbeddingConfig(picture=config.picture)
        self.front = VisualFront(sight)
        self.heads = nn.ModuleList(
            nn.ModuleList(ViewHead(config, sight.width) for _ in range(config.copies)) for _ in config.views
        )
        self.texture = TextureHead()
        # By which what each way of looking says is divided, so that all are heard: (views + 1,).
        self.register_buffer("scale", torch.ones(len(config.views) + 1))

    def forward(self, pictures: Tensor, numbers: Tensor) -> Tensor:
        """(batch, views, frames + 4, side, side) normalised grey and (batch, 186) → logits (batch,)."""
        seen = [self.front(view) for view in pictures.unbind(1)]
        return self.judged(seen, numbers)

    def judged(self, seen: list[Tensor], numbers: Tensor) -> Tensor:
        """The front's vectors (batch, frames, 256) of each view, and the texture's numbers → (batch,)."""
        return (self.apart(seen, numbers) / self.scale).mean(1)

    def apart(self, seen: list[Tensor], numbers: Tensor) -> Tensor:
        """What each way of looking says by itself (batch, views + 1)."""
        views = [self.view(number, vectors) for number, vectors in enumerate(seen)]
        return torch.stack([*views, self.texture(numbers)], 1)

    def view(self, number: int, vectors: Tensor) -> Tensor:
        """One view's logits (batch,): the mean of its heads'."""
        copies = self.heads[number]
        assert isinstance(copies, nn.ModuleList)
        return torch.stack([head(vectors) for head in copies]).mean(0)
