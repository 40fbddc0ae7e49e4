"""Serve the embedding network: each picture and each moment of sound is embedded once.

The convolutional fronts take chunks of all inputs together, in passes of one fixed shape, so that memory
does not grow with length and no input's numbers depend on its company. The temporal encoders are cheap and
take one input at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from outofsync.checkpoints.store import Checkpoint, CheckpointError
from outofsync.constants import DELAYS, MAX_DELAY, SAMPLES_PER_FRAME, WINDOW_FRAMES
from outofsync.synchrony.embedding import (
    MEL_REACH,
    MELS_PER_FRAME,
    STEM_REACH,
    EmbeddingConfig,
    EmbeddingNetwork,
    delay_similarity,
    pool_over_time,
)
from outofsync.synchrony.interface import SyncInput, SyncOutput
from outofsync.synchrony.senses import MelTrack, centre_pictures, level, mouth_pictures

CHUNK = 32  # frames in one row of a pass
ROWS = 4  # rows of a pass


class EmbeddingSynchroniser:
    """The embedding network behind the interface that all synchronisation networks share."""

    def __init__(self, network: EmbeddingNetwork, device: str = "cpu") -> None:
        self._network = network.to(device).eval()
        self._mel = MelTrack()
        self._device = device
        self.feature_size = 2 * network.config.embedding

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, device: str = "cpu") -> EmbeddingSynchroniser:
        """Raises :class:`CheckpointError` where the tensors do not fit the architecture."""
        try:
            network = EmbeddingNetwork(EmbeddingConfig(**checkpoint.config))
            network.load_state_dict(checkpoint.tensors)
        except (RuntimeError, TypeError) as error:
            raise CheckpointError(f"these are not the tensors of an embedding network: {error}") from None
        return cls(network, device)

    @torch.inference_mode()
    def evaluate(self, inputs: Sequence[SyncInput]) -> list[SyncOutput]:
        """Delays and features of each input; logits are scaled cosines pooled over about a second."""
        lengths = [item.windows + WINDOW_FRAMES - 1 if item.windows else 0 for item in inputs]
        fronts = [
            self._front(self._network.visual_front, self._visual_rows(inputs, lengths), lengths),
            self._front(self._network.audio_front, self._audio_rows(inputs, lengths), lengths),
        ]
        return [self._compare(seen, heard) for seen, heard in zip(*fronts, strict=True)]

    def _visual_rows(self, inputs: Sequence[SyncInput], lengths: Sequence[int]) -> Iterator[Tensor]:
        """Normalised pictures of one chunk after another: (36, side, side), zero beyond an input's ends."""
        size = self._network.config.picture
        for item, length in zip(inputs, lengths, strict=True):
            for start in range(0, length, CHUNK):
                low, high = max(0, start - STEM_REACH), min(length, start + CHUNK + STEM_REACH)
                pictures = centre_pictures(mouth_pictures(item.frames.read(low, high)), size)
                before = low - (start - STEM_REACH)
                after = CHUNK + 2 * STEM_REACH - before - len(pictures)
                yield F.pad(pictures, (0, 0, 0, 0, before, after))

    def _audio_rows(self, inputs: Sequence[SyncInput], lengths: Sequence[int]) -> Iterator[Tensor]:
        """Log-mel of one chunk after another: (mels, 138)."""
        for item, length in zip(inputs, lengths, strict=True):
            if not length:
                continue
            sound = torch.from_numpy(item.audio[: length * SAMPLES_PER_FRAME])
            mel = self._mel(level(sound)[None])[0]
            for start in range(0, length, CHUNK):
                row = mel[:, MELS_PER_FRAME * start : MELS_PER_FRAME * (start + CHUNK) + 2 * MEL_REACH]
                yield F.pad(row, (0, MELS_PER_FRAME * CHUNK + 2 * MEL_REACH - row.shape[1]))

    def _front(self, front: torch.nn.Module, rows: Iterator[Tensor], lengths: Sequence[int]) -> list[Tensor]:
        """Run a front over all rows in passes of ``ROWS``, and give each input its own frames back."""
        outputs, waiting = list[Tensor](), list[Tensor]()

        def flush() -> None:
            if waiting:
                missing = [torch.zeros_like(waiting[0])] * (ROWS - len(waiting))
                batch = torch.stack(waiting + missing).to(self._device)
                outputs.extend(front(batch)[: len(waiting)])
                waiting.clear()

        for row in rows:
            waiting.append(row)
            if len(waiting) == ROWS:
                flush()
        flush()
        done = iter(outputs)
        width = self._network.config.width
        return [
            torch.cat([next(done) for _ in range(0, length, CHUNK)])[:length]
            if length
            else torch.zeros(0, width, device=self._device)
            for length in lengths
        ]

    def _compare(self, seen: Tensor, heard: Tensor) -> SyncOutput:
        """Front outputs (frames, width) of one input → its windows."""
        windows = len(seen) - WINDOW_FRAMES + 1
        if windows < 1:
            return SyncOutput(*(np.zeros((0, size), np.float32) for size in (DELAYS, self.feature_size)))
        visual = self._network.visual_encoder(seen[None])
        audio = self._network.audio_encoder(heard[None])
        similarity, valid = delay_similarity(visual, audio, MAX_DELAY)
        pooled = self._network.log_scale.exp() * pool_over_time(similarity, valid, self._network.config.pool)
        middle = WINDOW_FRAMES // 2
        features = torch.cat([visual, audio], -1)[0].unfold(0, WINDOW_FRAMES, 1).amax(-1)
        return SyncOutput(_array(pooled[0, middle : middle + windows]), _array(features))


def _array(values: Tensor) -> NDArray[np.float32]:
    return values.float().cpu().numpy()
