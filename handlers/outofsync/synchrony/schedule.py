"""The published network at a fraction of the work: what windows share is computed once.

The published program runs its visual encoder 32 times on each window and encodes each chunk of sound up to 31
times. Here every frame passes the 2-D half of the visual encoder once, every window its 3-D half once, and
every distinct chunk the audio encoder once; only the fusion sees all 31 delays of a window. The numbers are
the published ones up to rounding.

The stages are generators that pull on one another, so that memory holds a few passes whatever the length of
a video.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import convert_conv3d_weight_memory_format

from outofsync.checkpoints.store import Checkpoint, CheckpointError
from outofsync.constants import DELAYS, MAX_DELAY, SAMPLES_PER_FRAME, WINDOW_FRAMES
from outofsync.synchrony.folding import fold_batch_norms
from outofsync.synchrony.interface import SyncInput, SyncOutput
from outofsync.synchrony.logmel import CHUNK_SAMPLES, LogMel
from outofsync.synchrony.passes import Row, in_passes, sliding
from outofsync.synchrony.published import PublishedConfig, PublishedModel

FRAMES_PER_READ = 25


@dataclass(frozen=True)
class PassSizes:
    """Most rows that one pass of each stage takes."""

    frames: int
    windows: int
    chunks: int
    judgements: int  # windows whose 31 pairs are fused together


# A processor gains nothing from larger passes; a segment of 50 windows fills these without a remainder.
CPU_PASSES = PassSizes(frames=27, windows=10, chunks=40, judgements=10)
GPU_PASSES = PassSizes(frames=64, windows=32, chunks=128, judgements=16)


class PublishedNetwork:
    """The published network behind the interface of every synchronisation network."""

    def __init__(self, model: PublishedModel, device: str = "cpu", passes: PassSizes | None = None) -> None:
        """Take over ``model``, whose batch norms are folded in place."""
        fold_batch_norms(model)
        # Frames arrive with their channels last; kernels laid out alike spare a reordering at each layer.
        convert_conv3d_weight_memory_format(model.vis_enc, torch.channels_last_3d)
        self._device = torch.device(device)
        self._model = model.to(self._device).eval()
        self._logmel = LogMel().to(self._device)
        self._passes = passes or (CPU_PASSES if self._device.type == "cpu" else GPU_PASSES)
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
    def evaluate(self, inputs: Sequence[SyncInput]) -> list[SyncOutput]:
        """Delay logits and zero-delay features of every window of every input."""
        # Reduced precision would move logits by more than the parity that is promised.
        with torch.backends.cudnn.flags(allow_tf32=False, deterministic=True):
            return [self._evaluate(one) for one in inputs]

    def _evaluate(self, one: SyncInput) -> SyncOutput:
        delays = np.empty((one.windows, DELAYS), np.float32)
        features = np.empty((one.windows, self.feature_size), np.float32)
        for window, (logits, feature) in enumerate(self._judgements(one)):
            delays[window], features[window] = logits.numpy(), feature.numpy()
        return SyncOutput(delays, features)

    def _judgements(self, one: SyncInput) -> Iterator[Row]:
        """(31,) logits and (feature size,) features of each window in turn."""
        if not one.windows:
            return iter(())
        sizes = self._passes
        frames = in_passes(_frames(one), sizes.frames, self._encode_frames)
        windows = ((window,) for window in sliding(frames, WINDOW_FRAMES))
        visual = in_passes(windows, sizes.windows, self._encode_windows)
        chunks = in_passes(_chunks(one), sizes.chunks, self._encode_chunks)
        delayed = sliding(chunks, DELAYS)
        pairs = ((tokens, audio) for (tokens,), audio in zip(visual, delayed, strict=True))
        return in_passes(pairs, sizes.judgements, self._judge)

    def _encode_frames(self, frames: Tensor) -> tuple[Tensor]:
        """uint8 (frames, 224, 224, 3) → (frames, 28, 28, channels)."""
        pixels = frames.to(self._device).float().permute(0, 3, 1, 2).unsqueeze(2)
        features = self._model.vis_enc.encode_frames(pixels)
        return (features.squeeze(2).permute(0, 2, 3, 1),)

    def _encode_windows(self, windows: Tensor) -> tuple[Tensor]:
        """(windows, 5, 28, 28, channels) → tokens (windows, 5, width)."""
        encoded = self._model.vis_enc.encode_windows(windows.permute(0, 4, 1, 2, 3))
        return (self._model.transformer.visual_tokens(encoded),)

    def _encode_chunks(self, chunks: Tensor) -> tuple[Tensor]:
        """int16 (chunks, 3200) → tokens (chunks, 4, width)."""
        mel = self._logmel(chunks.to(self._device)).unsqueeze(1)
        return (self._model.transformer.audio_tokens(self._model.aud_enc(mel)),)

    def _judge(self, visual: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (windows, 5, width) and (windows, 31, 4, width) → logits and features, on the processor."""
        fusion = self._model.transformer
        logits = fusion.logits(visual.repeat_interleave(DELAYS, dim=0), audio.flatten(0, 1))
        features = fusion.features(visual, audio[:, MAX_DELAY])
        return logits.reshape(-1, DELAYS).cpu(), features.cpu()


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
