"""The published network at a fraction of the work: what windows share is computed once.

The published program runs its visual encoder 32 times on each window and encodes each chunk of sound up to 31
times. Here every frame passes the 2-D half of the visual encoder once, every window its 3-D half once, and
every distinct chunk the audio encoder once; only the fusion sees all 31 delays of a window. A track is one
stream, whatever segments it is scored in, so segments that overlap share their windows too. The numbers are
the published ones up to rounding.

The stages are generators that pull on one another, so that memory holds a few passes whatever the length of
a video.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from outofsync.checkpoints.store import Checkpoint, CheckpointError
from outofsync.constants import DELAYS, MAX_DELAY, SAMPLES_PER_FRAME, WINDOW_FRAMES
from outofsync.folding import fold_batch_norms
from outofsync.precision import FullFloat32
from outofsync.runner import timed
from outofsync.synchrony.interface import TOLD_AT_ONCE, OnWindows, SyncInput, SyncOutput
from outofsync.synchrony.logmel import CHUNK_SAMPLES, LogMel
from outofsync.synchrony.published import PublishedConfig, PublishedModel
from outofsync.synchrony.published.chunking import Compute, Row, chunked, sliding
from outofsync.synchrony.published.fusion_schedule import SharedFusion
from outofsync.synchrony.published.row_parallel import RowParallel
from outofsync.synchrony.published.visual_schedule import SharedVisualEncoder
from outofsync.timing import Stopwatch

FRAMES_PER_READ = 25


@dataclass(frozen=True)
class PassSizes:
    """Most rows that one thread takes in a pass of each stage."""

    frames: int
    windows: int
    chunks: int
    judgements: int  # windows whose 31 pairs are fused together


# A processor gains nothing from larger passes; two threads share a segment of 50 windows without a remainder.
CPU_PASSES = PassSizes(frames=14, windows=13, chunks=20, judgements=13)
GPU_PASSES = PassSizes(frames=64, windows=32, chunks=128, judgements=16)


class PublishedNetwork:
    """The published network behind the interface of every synchronisation network."""

    def __init__(self, model: PublishedModel, device: str = "cpu", passes: PassSizes | None = None) -> None:
        """Take over ``model``, which is rebuilt in place."""
        fold_batch_norms(model)
        self._device = torch.device(device)
        on_cpu = self._device.type == "cpu"
        side = model.transformer.pos_embedding.shape[-1]
        # A graphics card's own library picks the fastest kind of convolution.
        self._visual = SharedVisualEncoder(model.vis_enc, side, winograd=on_cpu).to(self._device).eval()
        self._fusion = SharedFusion(model.transformer)
        self._model = model.to(self._device).eval()
        self._logmel = LogMel().to(self._device)
        self._parallel = RowParallel(torch.get_num_threads() if on_cpu else 1)
        self._passes = passes or (CPU_PASSES if on_cpu else GPU_PASSES)
        self.feature_size = 2 * model.transformer.cls_token.shape[-1]

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, device: str = "cpu") -> PublishedNetwork:
        """The network of a ``sync`` checkpoint; raises :class:`CheckpointError` where it does not fit."""
        try:
            model = PublishedModel(PublishedConfig(**checkpoint.config))
            model.load_state_dict(checkpoint.tensors)
        except (RuntimeError, TypeError) as error:
            raise CheckpointError(f"not the tensors of the published network: {error}") from None
        return cls(model, device)

    @torch.inference_mode()
    def evaluate(
        self,
        inputs: Sequence[SyncInput],
        *,
        watch: Stopwatch | None = None,
        on_windows: OnWindows | None = None,
    ) -> list[SyncOutput]:
        """Delay logits and zero-delay features of every window of every input.

        ``watch`` is told how long ``log_mel``, ``visual_encoder``, ``audio_encoder`` and ``fusion`` took;
        what the first attention makes of single tokens is counted with the encoders.
        """
        # Reduced precision would move logits by more than the parity that is promised.
        with FullFloat32():
            return [
                self._evaluate(one, watch, partial(on_windows, number) if on_windows else None)
                for number, one in enumerate(inputs)
            ]

    def _evaluate(
        self, one: SyncInput, watch: Stopwatch | None, on_windows: Callable[[SyncOutput], None] | None
    ) -> SyncOutput:
        delays = np.empty((one.windows, DELAYS), np.float32)
        features = np.empty((one.windows, self.feature_size), np.float32)
        for window, (logits, feature) in enumerate(self._judgements(one, watch)):
            delays[window], features[window] = logits.numpy(), feature.numpy()
            if on_windows is not None and not (known := window + 1) % TOLD_AT_ONCE:
                some = slice(known - TOLD_AT_ONCE, known)
                on_windows(SyncOutput(delays[some], features[some]))
        return SyncOutput(delays, features)

    def _judgements(self, one: SyncInput, watch: Stopwatch | None) -> Iterator[Row]:
        """(31,) logits and (feature size,) features of each window in turn."""

        def stage(
            name: str, rows: Iterable[Row], size: int, function: Compute, overlap: int = 0
        ) -> Iterator[Row]:
            def run(*columns: Tensor) -> Row:
                with timed(watch, name, self._device):
                    return self._parallel.map(function, *columns, overlap=overlap)

            return chunked(rows, size * self._parallel.threads, run, overlap=overlap)

        if not one.windows:
            return iter(())
        sizes = self._passes
        frames = stage("visual_encoder", _frames(one), sizes.frames, self._encode_frames)
        reach = WINDOW_FRAMES - 1
        visual = stage("visual_encoder", frames, sizes.windows, self._encode_windows, reach)
        mel = stage("log_mel", _chunks(one), sizes.chunks, self._log_mel)
        chunks = stage("audio_encoder", mel, sizes.chunks, self._encode_chunks)
        delayed = sliding(chunks, DELAYS)
        pairs = ((*seen, *heard) for seen, heard in zip(visual, delayed, strict=True))
        return stage("fusion", pairs, sizes.judgements, self._judge)

    def _encode_frames(self, frames: Tensor) -> Row:
        """uint8 (frames, 224, 224, 3) → what windows are made of, (frames, 14, 14, channels) twice."""
        return self._visual.encode_frames(frames.to(self._device).float().permute(0, 3, 1, 2))

    def _encode_windows(self, taps: Tensor, shortcuts: Tensor) -> Row:
        """(windows + 4, 14, 14, channels) twice → tokens (windows, 5, width) and their projections."""
        tokens = self._model.transformer.visual_tokens(self._visual.encode_windows(taps, shortcuts))
        return tokens, self._fusion.projected(tokens)

    def _log_mel(self, chunks: Tensor) -> Row:
        """int16 (chunks, 3200) → (chunks, 1, 80, 20)."""
        return (self._logmel(chunks.to(self._device)).unsqueeze(1),)

    def _encode_chunks(self, mel: Tensor) -> Row:
        """(chunks, 1, 80, 20) → tokens (chunks, 4, width) and their projections."""
        tokens = self._model.transformer.audio_tokens(self._model.aud_enc(mel))
        return tokens, self._fusion.projected(tokens)

    def _judge(self, visual: Tensor, visual_projected: Tensor, audio: Tensor, audio_projected: Tensor) -> Row:
        """Tokens of windows and of their 31 chunks each → logits and features, on the processor."""
        logits = self._fusion.logits(visual, visual_projected, audio, audio_projected)
        features = self._model.transformer.features(visual, audio[:, MAX_DELAY])
        return logits.cpu(), features.cpu()


def _frames(one: SyncInput) -> Iterator[Row]:
    """Every frame that some window covers, uint8 (224, 224, 3)."""
    used = one.windows + WINDOW_FRAMES - 1
    for start in range(0, used, FRAMES_PER_READ):
        block = one.frames.read(start, min(start + FRAMES_PER_READ, used))
        # A copy, since stored frames may be read-only, which tensors cannot be.
        yield from ((frame,) for frame in torch.tensor(block))


def _chunks(one: SyncInput) -> Iterator[Row]:
    """Every distinct chunk that some window is paired with, int16 (3200,); silence beyond either end."""
    chunks = one.windows + DELAYS - 1
    padded = np.zeros((chunks + WINDOW_FRAMES - 1) * SAMPLES_PER_FRAME, np.int16)
    whole_frames = one.audio[: one.audio.size // SAMPLES_PER_FRAME * SAMPLES_PER_FRAME]
    room = padded[MAX_DELAY * SAMPLES_PER_FRAME :]
    heard = min(room.size, whole_frames.size)
    room[:heard] = whole_frames[:heard]
    return ((chunk,) for chunk in torch.from_numpy(padded).unfold(0, CHUNK_SAMPLES, SAMPLES_PER_FRAME))
