"""The published synchronisation network as a plain module (Feng, Chen and Owens 2023; docs/method.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from outofsync.checkpoints.store import CheckpointError
from outofsync.synchrony.published.encoders import AudioEncoder, VisualEncoder
from outofsync.synchrony.published.fusion import Fusion


@dataclass(frozen=True)
class PublishedConfig:
    """The network's sizes; the defaults are the published ones."""

    width: int = 512  # of a token; the encoders' widths are fractions of it
    depth: int = 3  # transformer blocks
    heads: int = 4
    grid: int = 14  # side of the visual map
    visual_length: int = 5  # of the temporal embeddings: a later fork learned longer ones
    audio_length: int = 4

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> PublishedConfig:
        """Sizes read off a checkpoint's shapes; raises :class:`CheckpointError` for another network's."""
        try:
            width = tensors["transformer.cls_token"].shape[-1]
            grid = tensors["transformer.pos_embedding"].shape[-1]
            visual_length = tensors["transformer.temporal_visual_embedding"].shape[-1]
            audio_length = tensors["transformer.temporal_audio_embedding"].shape[-1]
        except KeyError as error:
            raise CheckpointError(f"a synchronisation network has a tensor {error}; this has none") from None
        blocks = {
            name.split(".")[3] for name in tensors if name.startswith("transformer.transformer.layers.")
        }
        return cls(
            width=width, depth=len(blocks), grid=grid, visual_length=visual_length, audio_length=audio_length
        )


class PublishedModel(nn.Module):
    """Evaluates pairs of a five-frame window and a chunk of sound, each by itself."""

    def __init__(self, config: PublishedConfig) -> None:
        super().__init__()
        self.vis_enc = VisualEncoder(config.width)
        self.aud_enc = AudioEncoder(config.width)
        self.transformer = Fusion(
            width=config.width,
            depth=config.depth,
            heads=config.heads,
            grid=config.grid,
            visual_length=config.visual_length,
            audio_length=config.audio_length,
        )

    def forward(self, frames: Tensor, mel: Tensor) -> tuple[Tensor, Tensor]:
        """One logit and one feature vector for each pair.

        RGB 0 … 255 (batch, 3, 5, 224, 224) and log-mel (batch, 1, 80, 20) → (batch,) and (batch, 1024).
        """
        visual = self.transformer.visual_tokens(self.vis_enc(frames))
        audio = self.transformer.audio_tokens(self.aud_enc(mel))
        return self.transformer.logits(visual, audio), self.transformer.features(visual, audio)
