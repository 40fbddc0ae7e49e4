"""The face network: was this face filmed, or made? One logit for a stretch of video.

It looks in two ways, each of which finds what the other misses, and adds up what they say:

* *movement*: the mouth and the whole face, in grey and at 64 px, through the front of a synchronisation
  network that has learnt from genuine speech how lips go; then, for each of its channels, how far that goes
  in one, two, four and eight frames. At that size fine texture, which cameras and codecs decide, is gone.
* *texture*: how one part of a face compares with the rest of it (:mod:`outofsync.appearance.texture`).

The front stays as it is: with a few hundred generated clips to learn from, only what follows it is trained.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from outofsync.appearance.texture import NUMBERS
from outofsync.synchrony.embedding import EmbeddingConfig, VisualFront

WAYS = ("movement", "texture")


@dataclass(frozen=True, slots=True)
class FaceConfig:
    """Sizes; a checkpoint's ``config``."""

    picture: int = 64  # px, side of the grey picture of each view
    views: tuple[str, ...] = ("mouth", "whole")
    lags: tuple[int, ...] = (1, 2, 4, 8)  # frames over which movement is measured


class Logistic(nn.Module):
    """A logistic regression of standardised numbers."""

    mean: Tensor
    spread: Tensor

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(numbers))
        self.register_buffer("spread", torch.ones(numbers))
        self.out = nn.Linear(numbers, 1)

    def forward(self, numbers: Tensor) -> Tensor:
        """(batch, numbers) → a logit each (batch,)."""
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
        self.movement = Logistic(len(config.views) * len(config.lags) * sight.width)
        self.texture = Logistic(NUMBERS)
        # By which what each way of looking says is divided, so that both are heard: (2,).
        self.register_buffer("scale", torch.ones(len(WAYS)))

    def forward(self, pictures: Tensor, numbers: Tensor) -> Tensor:
        """(batch, views, frames + 4, side, side) normalised grey and (batch, 186) → logits (batch,)."""
        seen = torch.stack([self.front(view) for view in pictures.unbind(1)], 1)
        return (self.apart(movement(seen, self.config.lags), numbers) / self.scale).mean(1)

    def apart(self, moved: Tensor, numbers: Tensor) -> Tensor:
        """What each way of looking says by itself (batch, 2).

        Takes movement (batch, views · lags · 256) and the texture's numbers (batch, 186).
        """
        return torch.stack([self.movement(moved), self.texture(numbers)], 1)


def movement(seen: Tensor, lags: tuple[int, ...]) -> Tensor:
    """Vectors (batch, views, frames, 256) → how far each number goes (batch, views · lags · 256)."""
    moved = [(seen[:, :, lag:] - seen[:, :, :-lag]).abs().mean(2) for lag in lags]
    return torch.stack(moved, 2).flatten(1)
