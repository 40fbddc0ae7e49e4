"""Serve the embedding network: each picture and each moment of sound is embedded once.

The convolutional fronts take chunks of all inputs together, in passes of one fixed shape, so that memory
does not grow with length and no input's numbers depend on its company. The temporal encoders are cheap and
take one input at a time, always in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from outofsync.checkpoints.store import Checkpoint, CheckpointError
from outofsync.constants import DELAYS, MAX_DELAY, SAMPLES_PER_FRAME, WINDOW_FRAMES
from outofsync.folding import fold_batch_norms
from outofsync.frames import FrameStore
from outofsync.precision import FullFloat32
from outofsync.prefetch import prefetch
from outofsync.runner import PassRunner, Precision, timed
from outofsync.synchrony.embedding import (
    STEM_REACH,
    TEMPORAL_REACH,
    EmbeddingConfig,
    EmbeddingNetwork,
    Encoder,
    delay_similarity,
    pool_over_time,
)
from outofsync.synchrony.embedding.inputs import MelTrack, centre_pictures, gain, mouth_pictures
from outofsync.synchrony.interface import TOLD_AT_ONCE, OnWindows, SyncInput, SyncOutput
from outofsync.timing import Stopwatch

FURTHEST_DELAY = 2 * MAX_DELAY  # frames: all 31 delays around any offset that can be found
MEL_MARGIN = 2  # frames on either side whose sound a chunk's log-mel looks at
BLOCK = 1024  # frames that pass through a temporal encoder together
CHUNK = 32  # frames in one row of a pass
ROWS = 4  # rows of a pass
MAX_READERS = 8  # threads that decode crops
CARD_ROWS = 16  # the same on a graphics card, which takes more to be kept busy


class EmbeddingSynchroniser:
    """The embedding network behind the interface that all synchronisation networks share."""

    def __init__(
        self, network: EmbeddingNetwork, device: str = "cpu", precision: Precision = "float32"
    ) -> None:
        """Take over ``network``, whose fronts run in ``precision``; raises ValueError for an unknown one."""
        self._device = torch.device(device)
        on_card = self._device.type == "cuda"
        if on_card or precision != "float32":
            # Each would cost a card another pass over its memory, and sixteen bits another rounding.
            fold_batch_norms(network)
        self._visual_front = PassRunner(network.visual_front, device, precision)
        self._audio_front = PassRunner(network.audio_front, device, precision)
        self._network = network.to(self._device).eval()
        self._mel = MelTrack().to(self._device)
        self._rows = CARD_ROWS if on_card else ROWS
        self.feature_size = 2 * network.config.embedding

    @classmethod
    def from_checkpoint(
        cls, checkpoint: Checkpoint, device: str = "cpu", precision: Precision = "float32"
    ) -> EmbeddingSynchroniser:
        """Raises :class:`CheckpointError` where the tensors do not fit the architecture."""
        try:
            network = EmbeddingNetwork(EmbeddingConfig.from_dict(checkpoint.config))
            network.load_state_dict(checkpoint.tensors)
        except (RuntimeError, TypeError) as error:
            raise CheckpointError(f"these are not the tensors of an embedding network: {error}") from None
        return cls(network, device, precision)

    @torch.inference_mode()
    def evaluate(
        self,
        inputs: Sequence[SyncInput],
        *,
        watch: Stopwatch | None = None,
        on_windows: OnWindows | None = None,
    ) -> list[SyncOutput]:
        """Delays and features of each input; logits are scaled cosines pooled over about a second.

        ``watch`` is told how long ``mouth_pictures``, ``log_mel``, ``visual_encoder``, ``audio_encoder`` and
        ``fusion`` took; on a graphics card, that keeps them from overlapping.
        """
        lengths = [item.windows + WINDOW_FRAMES - 1 if item.windows else 0 for item in inputs]
        pictures, mel = self._visual_rows(inputs, lengths), self._audio_rows(inputs, lengths, watch)
        if watch is not None:
            pictures = watch.each("mouth_pictures", pictures)
        with FullFloat32():
            chunks = self._fronts(pictures, mel, watch)
            return [
                self._one(length, chunks, watch, partial(on_windows, number) if on_windows else None)
                for number, length in enumerate(lengths)
            ]

    def _visual_rows(self, inputs: Sequence[SyncInput], lengths: Sequence[int]) -> Iterator[Tensor]:
        """Normalised pictures of one chunk after another: (36, side, side), zero beyond an input's ends.

        Crops are decoded by other threads, while the front is at work on those before.
        """
        size = self._network.config.picture
        spans = [
            (item.frames, max(0, start - STEM_REACH), min(length, start + CHUNK + STEM_REACH))
            for item, length in zip(inputs, lengths, strict=True)
            for start in range(0, length, CHUNK)
        ]
        reads = (partial(_mouths, *span) for span in spans)
        readers = min(MAX_READERS, torch.get_num_threads())
        for (_, low, high), mouths in zip(spans, prefetch(reads, readers), strict=True):
            before = 0 if low else STEM_REACH
            after = CHUNK + 2 * STEM_REACH - before - (high - low)
            yield F.pad(centre_pictures(mouths, size), (0, 0, 0, 0, before, after))

    def _audio_rows(
        self, inputs: Sequence[SyncInput], lengths: Sequence[int], watch: Stopwatch | None
    ) -> Iterator[Tensor]:
        """Log-mel of one chunk after another: (mels, 138)."""
        for item, length in zip(inputs, lengths, strict=True):
            with timed(watch, "log_mel", self._device):
                sound = item.audio[: length * SAMPLES_PER_FRAME]
                loudness = gain(sound)
            for start in range(0, length, CHUNK):
                with timed(watch, "log_mel", self._device):
                    low = max(0, start - MEL_MARGIN)
                    near = sound[low * SAMPLES_PER_FRAME : (start + CHUNK + MEL_MARGIN) * SAMPLES_PER_FRAME]
                    levelled = torch.from_numpy(near).to(self._device).float() * loudness
                    row = self._mel.span(levelled, start - low, CHUNK)
                yield row

    def _fronts(
        self, pictures: Iterator[Tensor], mel: Iterator[Tensor], watch: Stopwatch | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """What both fronts make of one chunk after another, (32, width) each, in passes of one size."""
        while group := list(islice(zip(pictures, mel, strict=True), self._rows)):
            seen, heard = zip(*group, strict=True)
            yield from zip(
                self._pass(self._visual_front, seen, "visual_encoder", watch),
                self._pass(self._audio_front, heard, "audio_encoder", watch),
                strict=True,
            )

    def _pass(self, front: PassRunner, rows: Sequence[Tensor], stage: str, watch: Stopwatch | None) -> Tensor:
        missing = [torch.zeros_like(rows[0])] * (self._rows - len(rows))
        with timed(watch, stage, self._device):
            return front(torch.stack([*rows, *missing]))[: len(rows)]

    def _one(
        self,
        length: int,
        chunks: Iterator[tuple[Tensor, Tensor]],
        watch: Stopwatch | None,
        on_windows: Callable[[SyncOutput], None] | None,
    ) -> SyncOutput:
        """One input of so many frames, whose chunks come next."""
        seen, heard = list[Tensor](), list[Tensor]()
        told = 0
        for picture, sound in islice(chunks, -(-length // CHUNK)):
            seen.append(picture)
            heard.append(sound)
            known = min(length, len(seen) * CHUNK) - self._margin
            if on_windows is not None and known >= told + TOLD_AT_ONCE:
                on_windows(self._some(seen, heard, told, known, watch))
                told = known
        if not seen:
            nothing = torch.zeros(0, self._network.config.width, device=self._device)
            return self._compare(nothing, nothing, watch)
        return self._compare(torch.cat(seen)[:length], torch.cat(heard)[:length], watch)

    @property
    def _margin(self) -> int:
        """Frames behind a window's first that its numbers depend on, and as many before."""
        config = self._network.config
        return FURTHEST_DELAY + config.pool + 2 * TEMPORAL_REACH * config.blocks + WINDOW_FRAMES

    def _some(
        self, seen: Sequence[Tensor], heard: Sequence[Tensor], start: int, stop: int, watch: Stopwatch | None
    ) -> SyncOutput:
        """The windows from ``start`` to ``stop`` of an input of which only the first chunks are known."""
        first = max(0, start - self._margin) // CHUNK
        frames = slice(0, stop + self._margin - first * CHUNK)
        near_seen, near_heard = (torch.cat(list(rows[first:]))[frames] for rows in (seen, heard))
        found, before = self._compare(near_seen, near_heard, watch), first * CHUNK
        return found.between(start - before, stop - before)

    def _compare(self, seen: Tensor, heard: Tensor, watch: Stopwatch | None) -> SyncOutput:
        """Front outputs (frames, width) of one input → its windows."""
        windows = len(seen) - WINDOW_FRAMES + 1
        if windows < 1:
            return SyncOutput(*(np.zeros((0, size), np.float32) for size in (DELAYS, self.feature_size)))
        with timed(watch, "visual_encoder", self._device):
            visual = self._encoded(self._network.visual_encoder, seen)
        with timed(watch, "audio_encoder", self._device):
            audio = self._encoded(self._network.audio_encoder, heard)
        with timed(watch, "fusion", self._device):
            similarity, valid = delay_similarity(visual, audio, FURTHEST_DELAY)
            fit = pool_over_time(similarity, valid, self._network.config.pool)
            middle = WINDOW_FRAMES // 2
            far = _array(self._network.log_scale.exp() * fit[0, middle : middle + windows])
            reach = FURTHEST_DELAY - MAX_DELAY
            features = self._features(visual[0], audio[0], windows)
            return SyncOutput(far[:, reach : reach + DELAYS], features, far)

    def _encoded(self, encoder: Encoder, x: Tensor) -> Tensor:
        """(frames, width) → (1, frames, embedding); a long input in blocks, each with what it looks at."""
        reach = TEMPORAL_REACH * self._network.config.blocks
        blocks = []
        for start in range(0, len(x), BLOCK):
            low = max(0, start - reach)
            encoded = encoder(x[None, low : start + BLOCK + reach])
            blocks.append(encoded[:, start - low : start - low + BLOCK])
        return torch.cat(blocks, 1)

    def _features(self, visual: Tensor, audio: Tensor, windows: int) -> NDArray[np.float32]:
        """Embeddings (frames, embedding) → the largest of each in each window (windows, 2 · embedding)."""
        features = np.empty((windows, self.feature_size), np.float32)
        for start in range(0, windows, BLOCK):
            stop = min(start + BLOCK, windows)
            seen_from = slice(start, stop + WINDOW_FRAMES - 1)
            both = torch.cat([visual[seen_from], audio[seen_from]], -1)
            features[start:stop] = _array(both.unfold(0, WINDOW_FRAMES, 1).amax(-1))
        return features


def _mouths(frames: FrameStore, start: int, stop: int) -> NDArray[np.uint8]:
    return mouth_pictures(frames.read(start, stop))


def _array(values: Tensor) -> NDArray[np.float32]:
    return values.float().cpu().numpy()
