"""Log-mel spectrogram of a window's sound (docs/method.md: Windows and delays)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchaudio.functional import melscale_fbanks

from outofsync.constants import SAMPLE_RATE, SAMPLES_PER_FRAME, WINDOW_FRAMES

CHUNK_SAMPLES = WINDOW_FRAMES * SAMPLES_PER_FRAME  # 3,200: the sound of one window
FFT_SIZE = 512
STFT_WINDOW = 320
HOP = 160
MEL_BANDS = 80
STEPS = CHUNK_SAMPLES // HOP  # 20: the centred transform's 21st frame is dropped
FLOOR = 1e-20  # keeps the logarithm of digital silence finite


class LogMel(nn.Module):
    """Chunks of int16 sample values (chunks, 3200) → log-mel (chunks, 80 bands, 20 steps) float32.

    Every chunk is transformed by itself: its ends are reflected, whatever sound lies beyond them.
    """

    window: Tensor
    filterbank: Tensor

    def __init__(self) -> None:
        super().__init__()
        filterbank = melscale_fbanks(
            FFT_SIZE // 2 + 1, 0.0, SAMPLE_RATE / 2, MEL_BANDS, SAMPLE_RATE, norm="slaney", mel_scale="slaney"
        )
        # Not persistent: constants of the method are no part of a checkpoint.
        self.register_buffer("window", torch.hann_window(STFT_WINDOW), persistent=False)
        self.register_buffer("filterbank", filterbank.T.contiguous(), persistent=False)

    def forward(self, chunks: Tensor) -> Tensor:
        spectrum = torch.stft(
            chunks.float(), FFT_SIZE, HOP, STFT_WINDOW, self.window, pad_mode="reflect", return_complex=True
        )
        magnitude = spectrum[:, :, :STEPS].abs()  # (chunks, 257, 20)
        return torch.log(self.filterbank @ magnitude + FLOOR)
