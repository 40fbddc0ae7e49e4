"""What the embedding network sees and hears: mouth pictures and a levelled log-mel track.

Training and serving share this module, so that a network meets in service what it met in training.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from outofsync.constants import MOUTH_CENTRE, SAMPLES_PER_FRAME
from outofsync.frames import Frames
from outofsync.synchrony.embedding import MEL_REACH, MELS_PER_FRAME
from outofsync.synchrony.logmel import FFT_SIZE, HOP, STFT_WINDOW, LogMel

# A square of 140 px around the mouth's centre holds lips, chin and cheeks. It is kept at 80 px, of which the
# network sees the middle 64.
MOUTH_REACH = 70
KEPT_SIZE = 80
_GREY_MEAN, _GREY_SPREAD = 110.0, 55.0

_LOUDNESS = 2000.0  # root mean square that every track is brought to, in int16 units
_SILENCE = 2.0  # what is quieter stays as quiet
_SAMPLES_AT_ONCE = 1 << 20
_MEL_FLOOR = 0.05  # quieter than any speech at that loudness: hides digital silence and coding noise
_MEL_MEAN, _MEL_SPREAD = 1.0, 2.0


def mouth_pictures(frames: Frames) -> NDArray[np.uint8]:
    """uint8 (frames, 224, 224, 3) face crops → uint8 (frames, 80, 80) grey."""
    x, y = MOUTH_CENTRE
    rows, columns = slice(y - MOUTH_REACH, y + MOUTH_REACH), slice(x - MOUTH_REACH, x + MOUTH_REACH)
    pictures = np.empty((len(frames), KEPT_SIZE, KEPT_SIZE), np.uint8)
    for picture, frame in zip(pictures, frames, strict=True):
        grey = cv2.cvtColor(np.ascontiguousarray(frame[rows, columns]), cv2.COLOR_RGB2GRAY)
        picture[...] = cv2.resize(grey, (KEPT_SIZE, KEPT_SIZE), interpolation=cv2.INTER_AREA)
    return pictures


def normalise_pictures(pictures: Tensor) -> Tensor:
    """Grey values 0 … 255 of any shape → about zero mean and unit spread."""
    return (pictures - _GREY_MEAN) / _GREY_SPREAD


def centre_pictures(pictures: NDArray[np.uint8], size: int) -> Tensor:
    """uint8 (frames, 80, 80) → normalised float32 (frames, size, size): the middle, unaugmented."""
    edge = (KEPT_SIZE - size) // 2
    middle = torch.from_numpy(pictures[:, edge : edge + size, edge : edge + size])
    return normalise_pictures(middle.float())


def level(audio: Tensor) -> Tensor:
    """Bring (…, samples) of int16 values to one loudness; silence stays silent."""
    audio = audio.float()
    loudness = audio.square().mean(-1, keepdim=True).sqrt()
    return audio * (_LOUDNESS / loudness.clamp(min=_SILENCE))


def gain(audio: NDArray[np.int16]) -> float:
    """What brings int16 samples (samples,) to one loudness, as :func:`level` does, in little memory."""
    squares = sum(
        float(np.square(audio[start : start + _SAMPLES_AT_ONCE], dtype=np.float64).sum())
        for start in range(0, audio.size, _SAMPLES_AT_ONCE)
    )
    return _LOUDNESS / max(_SILENCE, math.sqrt(squares / max(1, audio.size)))


class MelTrack(torch.nn.Module):
    """Log-mel of a whole track, in the layout the audio front takes."""

    window: Tensor
    filterbank: Tensor

    def __init__(self) -> None:
        super().__init__()
        constants = LogMel()
        self.register_buffer("window", constants.window, persistent=False)
        self.register_buffer("filterbank", constants.filterbank, persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """Levelled (batch, 640 · frames) → (batch, 80, 4 · frames + 10), with quiet beyond both ends."""
        return normalise_bands(self.filterbank @ self.spectrum(audio))

    def span(self, audio: Tensor, start: int, frames: int) -> Tensor:
        """The same for some frames: levelled (samples,) → (80, 4 · frames + 10), from frame ``start`` on."""
        begin = start * SAMPLES_PER_FRAME - MEL_REACH * HOP - FFT_SIZE // 2
        end = begin + (MELS_PER_FRAME * frames + 2 * MEL_REACH - 1) * HOP + FFT_SIZE
        heard = audio[max(0, begin) : max(0, end)]
        before = max(0, -begin)
        padded = F.pad(heard, (before, end - begin - before - heard.shape[0]))
        return normalise_bands(self.filterbank @ self._magnitudes(padded[None])[0])

    def spectrum(self, audio: Tensor) -> Tensor:
        """Levelled (batch, 640 · frames) → magnitudes (batch, 257, 4 · frames + 10)."""
        frames = audio.shape[-1] // SAMPLES_PER_FRAME
        reach = MEL_REACH * HOP + FFT_SIZE // 2
        padded = F.pad(audio[..., : frames * SAMPLES_PER_FRAME], (reach, reach))
        return self._magnitudes(padded)[..., : MELS_PER_FRAME * frames + 2 * MEL_REACH]

    def _magnitudes(self, padded: Tensor) -> Tensor:
        """Of each whole transform that lies in (batch, samples): (batch, 257, transforms)."""
        return torch.stft(
            padded, FFT_SIZE, HOP, STFT_WINDOW, self.window, center=False, return_complex=True
        ).abs()


def normalise_bands(bands: Tensor) -> Tensor:
    """Mel magnitudes (…, 80, steps) → logarithms of about zero mean and unit spread."""
    return (torch.log(bands + _MEL_FLOOR) - _MEL_MEAN) / _MEL_SPREAD
