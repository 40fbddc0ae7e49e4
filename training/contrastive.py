"""Contrastive losses between pictures and sounds: of one clip, over its delays, and of different clips."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from outofsync.constants import MAX_DELAY
from outofsync.synchrony.embedding import pool_over_time


@dataclass(frozen=True)
class Pairs:
    """How every picture of a batch fits every sound of the same clip, and which pairs are true.

    ``fit`` (batch, frames, frames) holds cosines, ``true`` the sound that belongs to each picture,
    ``inside`` whether it lies within the span that was cut.
    """

    fit: Tensor
    true: Tensor  # (batch, frames)
    inside: Tensor  # (batch, frames)

    @classmethod
    def of(cls, visual: Tensor, audio: Tensor, late: Tensor) -> Pairs:
        """Unit vectors (batch, frames, size) of both, and by how many frames sounds are late (batch,)."""
        frames = visual.shape[1]
        true = torch.arange(frames, device=visual.device) + late[:, None]
        return cls(torch.einsum("bte,bse->bts", visual, audio), true, (true >= 0) & (true < frames))


def frame_loss(pairs: Pairs, scale: Tensor, neighbour: float) -> Tensor:
    """Each picture must find its own moment among all sounds of its clip, and each sound its picture: ()."""
    frames = pairs.fit.shape[1]
    distance = (torch.arange(frames, device=pairs.true.device) - pairs.true[..., None]).abs()
    target = (distance == 0) * (1 - 2 * neighbour) + (distance == 1) * neighbour
    logits = scale * pairs.fit
    forth, back = logits.log_softmax(2) * target, logits.log_softmax(1) * target
    return -(forth + back)[pairs.inside].sum() / (2 * pairs.inside.sum())


def delay_loss(pairs: Pairs, scale: Tensor, reach: int) -> Tensor:
    """The published question: at which of the 31 delays do lips and voice fit? A mean cross-entropy: ()."""
    frames = pairs.fit.shape[1]
    delays = torch.arange(-MAX_DELAY, MAX_DELAY + 1, device=pairs.true.device)
    position = pairs.true[..., None] + delays  # (batch, frames, 31)
    valid = (position >= 0) & (position < frames)
    similarity = pairs.fit.gather(2, position.clamp(0, frames - 1)) * valid
    logits = scale * pool_over_time(similarity, valid, reach)
    target = torch.full(logits.shape[:2], MAX_DELAY, device=logits.device)
    return F.cross_entropy(logits.flatten(0, 1), target.flatten())


def clip_loss(visual: Tensor, audio: Tensor, pairs: Pairs, scale: Tensor) -> Tensor:
    """Each picture must find its own moment among the sounds of all clips.

    Unit vectors (batch, frames, size) → a mean cross-entropy: ().
    """
    batch, frames = pairs.true.shape
    logits = scale * visual.flatten(0, 1) @ audio.flatten(0, 1).T
    target = pairs.true + frames * torch.arange(batch, device=logits.device)[:, None]
    inside = pairs.inside.flatten()
    return F.cross_entropy(logits[inside], target.flatten()[inside])
