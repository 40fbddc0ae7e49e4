"""The default synchronisation network: two encoders, one embedding per frame, compared by cosine.

The published network decides each (window, delay) pair with a transformer. This one embeds mouth and voice
once per frame and compares embeddings, so that 31 delays cost no more than one, and a delay is judged over
a second of video instead of a fifth of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STEM_REACH = 2  # frames on either side that the visual stem looks at
MEL_REACH = 5  # mel frames on either side that the audio front looks at
MELS_PER_FRAME = 4
TEMPORAL_REACH = 2  # frames on either side that a temporal block looks at
COMPARED_AT_ONCE = 1024  # frames whose nearby sound lies in memory 31 times over
RETIRED = {"gated": False}  # what older checkpoints still name, with the only value that is served


@dataclass(frozen=True, slots=True)
class EmbeddingConfig:
    """Widths and contexts; a checkpoint's ``config``."""

    picture: int = 64  # px, side of the grey mouth picture
    mels: int = 80
    width: int = 256  # channels of both temporal encoders
    embedding: int = 256
    blocks: int = 3  # temporal blocks, each seeing ±2 frames more
    dropout: float = 0.1
    pool: int = 12  # frames on either side over which a delay is judged
    scale: float = 20.0  # logits per unit of cosine before training

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> EmbeddingConfig:
        """A checkpoint's ``config``; raises TypeError for one that asks for what this network has not."""
        for name, served in RETIRED.items():
            if values.get(name, served) != served:
                raise TypeError(f"{name}={values[name]!r} is no longer served")
        return cls(**{name: value for name, value in values.items() if name not in RETIRED})


def _conv2d(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class Residual2d(nn.Module):
    """Two 3×3 convolutions around a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _conv2d(channels, channels)
        self.second = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) → the same."""
        return F.relu(x + self.second(self.first(x)))


class VisualFront(nn.Module):
    """Grey mouth pictures → one vector per frame, seeing ±2 frames."""

    def __init__(self, config: EmbeddingConfig) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv3d(1, 32, (2 * STEM_REACH + 1, 5, 5), (1, 2, 2), (0, 2, 2), bias=False),
            nn.BatchNorm3d(32),
            nn.ReLU(inplace=True),
        )
        self.frame = nn.Sequential(
            _conv2d(32, 64, 2), _conv2d(64, 128, 2), Residual2d(128), _conv2d(128, 256, 2)
        )
        side = config.picture // 16
        self.project = nn.Linear(256 * side * side, config.width)

    def forward(self, pictures: Tensor) -> Tensor:
        """(batch, frames + 4, side, side) normalised grey → (batch, frames, width)."""
        if self.training:
            x = self._stem_by_frame(pictures)
        else:
            x = self.stem(pictures[:, None]).transpose(1, 2).flatten(0, 1)
        batch, frames = pictures.shape[0], pictures.shape[1] - 2 * STEM_REACH
        x = self.frame(x)  # (batch · frames, 256, side/16, side/16)
        out: Tensor = self.project(x.flatten(1)).view(batch, frames, -1)
        return out

    def _stem_by_frame(self, pictures: Tensor) -> Tensor:
        """The stem as a flat convolution of five pictures for each frame: a third of the time in training."""
        convolution, norm, activation = self.stem
        assert isinstance(convolution, nn.Conv3d)
        near = pictures.unfold(1, 2 * STEM_REACH + 1, 1).permute(0, 1, 4, 2, 3).flatten(0, 1)
        near = near.contiguous(memory_format=torch.channels_last)
        x = F.conv2d(near, convolution.weight[:, 0], stride=2, padding=2)
        out: Tensor = activation(norm(x[:, :, None])[:, :, 0])
        return out


class AudioFront(nn.Module):
    """Log-mel → one vector per video frame, seeing 13 mel frames."""

    def __init__(self, config: EmbeddingConfig) -> None:
        super().__init__()
        self.bands = nn.Sequential(
            nn.Conv2d(1, 32, 5, (2, 1), (2, 0), bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(inplace=True),
            nn.Conv2d(32, 64, 3, (2, 2), (1, 0), bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
        )
        self.project = nn.Conv1d(64 * (config.mels // 4), config.width, 4, 2)

    def forward(self, mel: Tensor) -> Tensor:
        """(batch, mels, 4 · frames + 10) → (batch, frames, width)."""
        x = self.bands(mel[:, None])  # (batch, 64, mels/4, 2 · frames + 2)
        out: Tensor = self.project(x.flatten(1, 2)).transpose(1, 2)
        return out


class TemporalBlock(nn.Module):
    """A residual convolution over five frames."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Conv1d(width, width, 2 * TEMPORAL_REACH + 1, padding=TEMPORAL_REACH)
        self.mix = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, frames, width) → the same."""
        y = self.conv(F.relu(self.norm(x)).transpose(1, 2)).transpose(1, 2)
        out: Tensor = x + self.dropout(self.mix(F.relu(y)))
        return out


class Encoder(nn.Module):
    """Temporal blocks and the projection to the unit sphere, alike for both senses."""

    def __init__(self, config: EmbeddingConfig) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(TemporalBlock(config.width, config.dropout) for _ in range(config.blocks))
        )
        self.norm = nn.LayerNorm(config.width)
        self.project = nn.Linear(config.width, config.embedding)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, frames, width) → unit vectors (batch, frames, embedding)."""
        embedding: Tensor = F.normalize(self.project(self.norm(self.blocks(x))), dim=-1)
        return embedding


class EmbeddingNetwork(nn.Module):
    """Mouth pictures and log-mel → per-frame embeddings of both, and how they fit at each delay."""

    def __init__(self, config: EmbeddingConfig) -> None:
        super().__init__()
        self.config = config
        self.visual_front = VisualFront(config)
        self.audio_front = AudioFront(config)
        self.visual_encoder = Encoder(config)
        self.audio_encoder = Encoder(config)
        self.log_scale = nn.Parameter(torch.tensor(config.scale).log())

    def forward(self, pictures: Tensor, mel: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`embed`."""
        return self.embed(pictures, mel)

    def embed(self, pictures: Tensor, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures (batch, frames + 4, side, side) and log-mel (batch, mels, 4 · frames + 10) → embeddings.

        Both come back as unit vectors (batch, frames, embedding).
        """
        return (
            self.visual_encoder(self.visual_front(pictures)),
            self.audio_encoder(self.audio_front(mel)),
        )


def delay_similarity(visual: Tensor, audio: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Cosines of each frame with the sound up to ``most`` frames earlier and later.

    Takes two (batch, frames, embedding) of embeddings; returns similarity (batch, frames, 2 · most + 1) and
    whether there was sound to compare with (frames, 2 · most + 1), similarity being 0 elsewhere.
    """
    frames = visual.shape[1]
    padded = F.pad(audio, (0, 0, most, most))
    blocks = []
    for start in range(0, frames, COMPARED_AT_ONCE):
        some = visual[:, start : start + COMPARED_AT_ONCE]
        # (batch, frames, embedding, delays)
        near = padded[:, start : start + some.shape[1] + 2 * most].unfold(1, 2 * most + 1, 1)
        blocks.append(torch.einsum("bte,bted->btd", some, near))
    similarity = torch.cat(blocks, 1)
    position = torch.arange(frames, device=visual.device)[:, None] + torch.arange(
        -most, most + 1, device=visual.device
    )
    return similarity, (position >= 0) & (position < frames)


def pool_over_time(similarity: Tensor, valid: Tensor, reach: int) -> Tensor:
    """Mean similarity over the frames within ``reach`` of each frame, of those that had sound.

    Takes what :func:`delay_similarity` returns; returns (batch, frames, delays), in units of cosine.

    A delay nobody near could be compared at takes the mean over the whole clip, and 0 if there is none.
    """
    weights = valid.to(similarity.dtype).expand_as(similarity)
    total, count = _box_sum(similarity * weights, reach), _box_sum(weights, reach)
    overall = (similarity * weights).sum(1, keepdim=True) / weights.sum(1, keepdim=True).clamp(min=1)
    return torch.where(count > 0, total / count.clamp(min=1), overall)


def _box_sum(x: Tensor, reach: int) -> Tensor:
    """Sum over frames t−reach … t+reach of a (batch, frames, delays) array."""
    sums = F.pad(x.double().cumsum(1), (0, 0, reach + 1, 0))
    sums = torch.cat([sums, sums[:, -1:].expand(-1, reach, -1)], 1)
    return (sums[:, 2 * reach + 1 :] - sums[:, : x.shape[1]]).to(x.dtype)
