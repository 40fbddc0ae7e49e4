"""The face network: was this face filmed, or made? One logit for a stretch of video.

It looks in three ways, each of which finds what the others miss, and adds up what they say:

* *movement*: the mouth and the whole face, in grey and at 64 px, through a front that began as that of a
  synchronisation network, which had learnt from genuine speech how lips go; then, for each of its channels,
  how far that goes in one, two, four and eight frames. At that size fine texture is gone.
* *texture*: how one part of a face compares with the rest of it (:mod:`outofsync.appearance.texture`).
* *detail*: the crop in colour and its change, by a small network (:mod:`outofsync.appearance.detail`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from outofsync.appearance.detail import DetailNetwork
from outofsync.appearance.texture import NUMBERS
from outofsync.synchrony.embedding import EmbeddingConfig, VisualFront

WAYS = ("movement", "texture", "detail")
MOST_SAID = 2.0  # standard deviations: none of the ways is so sure that the others are not heard


@dataclass(frozen=True, slots=True)
class FaceConfig:
    """Sizes; a checkpoint's ``config``."""

    picture: int = 64  # px, side of the grey picture of each view
    views: tuple[str, ...] = ("mouth", "whole")
    lags: tuple[int, ...] = (1, 2, 4, 8)  # frames over which movement is measured
    detail: int = 32  # channels of the first layer that sees detail


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
    """Views, detail and texture of a stretch → one logit, higher where the face looks generated."""

    centre: Tensor
    scale: Tensor

    def __init__(self, config: FaceConfig) -> None:
        super().__init__()
        self.config = config
        sight = EmbeddingConfig(picture=config.picture)
        self.front = VisualFront(sight)
        self.movement = Logistic(len(config.views) * len(config.lags) * sight.width)
        self.texture = Logistic(NUMBERS)
        self.detail = DetailNetwork(config.detail)
        # What each way of looking usually says, and how far it goes from there: (3,).
        self.register_buffer("centre", torch.zeros(len(WAYS)))
        self.register_buffer("scale", torch.ones(len(WAYS)))

    def forward(self, pictures: Tensor, looks: Tensor, numbers: Tensor) -> Tensor:
        """A logit each (batch,); takes what :meth:`apart` does."""
        return self.together(self.apart(pictures, looks, numbers))

    def apart(self, pictures: Tensor, looks: Tensor, numbers: Tensor) -> Tensor:
        """What each way of looking says by itself (batch, 3).

        Takes normalised grey views (batch, views, frames + 4, side, side), pairs of frames in colour, uint8
        (batch, pairs, 2, 3, 144, 144), and the texture's numbers (batch, 186).
        """
        seen = torch.stack([self.front(view) for view in pictures.unbind(1)], 1)
        said = self.movement(movement(seen, self.config.lags)), self.texture(numbers), self.detail(looks)
        return torch.stack(said, 1)

    def together(self, said: Tensor) -> Tensor:
        """What each way says (batch, 3) → a logit each (batch,)."""
        sure = (said - self.centre) / self.scale / MOST_SAID
        return (MOST_SAID * torch.tanh(sure)).mean(1)


def movement(seen: Tensor, lags: tuple[int, ...]) -> Tensor:
    """Vectors (batch, views, frames, 256) → how far each number goes (batch, views · lags · 256)."""
    moved = [(seen[:, :, lag:] - seen[:, :, :-lag]).abs().mean(2) for lag in lags]
    return torch.stack(moved, 2).flatten(1)
