"""Augmentation of mouth pictures and sound, batched, on whatever device the batch is on."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from outofsync.synchrony.embedding.inputs import MelTrack, normalise_bands

BLOCK = 8  # px, side of what codecs transform at once
COARSENESS = (3.0, 25.0)  # grey values to which the coarsest structure is rounded
TRACTS = 13  # vocal tracts between the shortest and the longest
TRACT_REACH = 0.15  # how much shorter or longer than the speaker's own


def chance(batch: int, probability: float, like: Tensor) -> Tensor:
    """A (batch,) mask that is true with the given probability."""
    return torch.rand(batch, device=like.device) < probability


def uniform(batch: int, low: float, high: float, like: Tensor) -> Tensor:
    """(batch,) float32 numbers between two, where ``like`` is."""
    return torch.rand(batch, device=like.device) * (high - low) + low


def random_affine(pictures: Tensor, size: int) -> Tensor:
    """(batch, frames, side, side) → (batch, frames, size, size): one random view for each clip.

    Shift, scale, turn, squeeze and mirror stay the same through a clip, so that only speech moves the mouth;
    a slow drift of a pixel or so imitates an unsteady crop.
    """
    batch, frames, side, _ = pictures.shape
    scale = uniform(batch, 0.85, 1.18, pictures) * size / side
    squeeze = uniform(batch, 0.92, 1.08, pictures)
    turn = uniform(batch, -0.14, 0.14, pictures)
    mirror = torch.where(chance(batch, 0.5, pictures), -1.0, 1.0)
    theta = torch.zeros(batch, 2, 3, device=pictures.device)
    theta[:, 0, 0] = scale * squeeze * torch.cos(turn) * mirror
    theta[:, 0, 1] = -scale * torch.sin(turn)
    theta[:, 1, 0] = scale * torch.sin(turn) * mirror
    theta[:, 1, 1] = scale / squeeze * torch.cos(turn)
    theta[:, :, 2] = torch.stack([uniform(batch, -0.1, 0.1, pictures) for _ in range(2)], 1)
    return F.grid_sample(
        pictures,
        F.affine_grid(theta, [batch, frames, size, size], align_corners=False),
        padding_mode="border",
        align_corners=False,
    )


def photometric(pictures: Tensor) -> Tensor:
    """Colour jitter and, now and then, blur, noise, coding, a covered patch, repeated frames.

    Grey pictures 0 … 255 as float32 (batch, frames, size, size) → the same shape.
    """
    batch, _, size, _ = pictures.shape
    shape = (batch, 1, 1, 1)
    pictures = colour_jitter(pictures)

    small = int(size * float(torch.empty(1).uniform_(0.3, 0.7)))
    blurred = F.interpolate(pictures, small, mode="bilinear", antialias=True)
    blurred = F.interpolate(blurred, size, mode="bilinear")
    pictures = torch.where(chance(batch, 0.3, pictures).view(shape), blurred, pictures)

    level = (uniform(batch, 2, 14, pictures) * chance(batch, 0.35, pictures)).view(shape)
    pictures = pictures + torch.randn_like(pictures) * level

    pictures = torch.where(chance(batch, 0.25, pictures).view(shape), quantise_blocks(pictures), pictures)

    corner = (torch.rand(batch, 2, device=pictures.device) * size).view(batch, 2, 1)
    axis = torch.arange(size, device=pictures.device)
    inside = (axis >= corner) & (axis < corner + size / 4)
    patch = inside[:, 0, :, None] & inside[:, 1, None, :] & chance(batch, 0.15, pictures).view(batch, 1, 1)
    pictures = pictures.masked_fill(patch[:, None], 110.0)

    return torch.where(chance(batch, 0.15, pictures).view(shape), _lower_frame_rate(pictures), pictures)


def colour_jitter(pictures: Tensor) -> Tensor:
    """Gamma, contrast and brightness, drawn for each clip: (batch, frames, size, size) → the same."""
    shape = (len(pictures), 1, 1, 1)
    gamma, gain, lift = (
        uniform(len(pictures), low, high, pictures).view(shape)
        for low, high in ((0.7, 1.4), (0.7, 1.3), (-30, 30))
    )
    pictures = 255 * (pictures.clamp(0, 255) / 255) ** gamma
    return (pictures - 110) * gain + 110 + lift


def quantise_blocks(pictures: Tensor) -> Tensor:
    """Blocks of 8×8 px whose cosine coefficients were rounded, as JPEG and video codecs leave them.

    Float32 (batch, frames, size, size) of grey values 0 … 255 → the same shape.
    How coarsely is drawn for each clip, and grows with frequency; an edge of less than a block stays as it
    is.
    """
    batch, frames, size, _ = pictures.shape
    whole = size // BLOCK * BLOCK
    order = torch.arange(BLOCK, device=pictures.device, dtype=pictures.dtype)
    cosines = torch.cos(math.pi / BLOCK * (order + 0.5) * order[:, None]) * (2 / BLOCK) ** 0.5
    cosines[0] *= 0.5**0.5
    square = pictures[..., :whole, :whole].reshape(
        batch, frames, whole // BLOCK, BLOCK, whole // BLOCK, BLOCK
    )
    blocks = square.transpose(-2, -3)
    step = uniform(batch, *COARSENESS, pictures).view(batch, *[1] * 5) * (1 + (order + order[:, None]) / 2)
    rounded = ((cosines @ blocks @ cosines.T) / step).round() * step
    shown = (cosines.T @ rounded @ cosines).transpose(-2, -3).reshape(batch, frames, whole, whole)
    shown = torch.cat([shown, pictures[..., :whole, whole:]], -1)
    return torch.cat([shown, pictures[..., whole:, :]], -2)


def _lower_frame_rate(pictures: Tensor) -> Tensor:
    """What a camera of 12 to 20 frames/s would have left at 25: the newest of its frames."""
    frames = pictures.shape[1]
    rate = float(torch.empty(1).uniform_(12.0, 20.0))
    phase = float(torch.rand(1))
    times = torch.arange(frames, device=pictures.device) / 25.0
    shown = ((torch.floor(times * rate + phase) - phase) / rate * 25.0).ceil().long().clamp(0, frames - 1)
    return pictures[:, shown]


def add_noise(audio: Tensor) -> Tensor:
    """Room, other voices and noise added to levelled sound (batch, samples)."""
    batch, samples = audio.shape
    audio = torch.where(chance(batch, 0.3, audio)[:, None], _reverberate(audio), audio)

    others = audio.roll(1, 0).roll(int(torch.randint(samples, (1,))), 1)
    ratio = 10 ** (-uniform(batch, 3, 25, audio) / 20) * chance(batch, 0.3, audio)
    audio = audio + others * ratio[:, None]

    spectrum = torch.fft.rfft(torch.randn_like(audio))
    colour = uniform(batch, 0.0, 1.0, audio)[:, None]
    bins = torch.arange(1, spectrum.shape[1] + 1, device=audio.device)
    noise: Tensor = torch.fft.irfft(spectrum * bins ** (-colour), samples)
    noise = noise / noise.std(1, keepdim=True).clamp(min=1e-6)
    level: Tensor = 10 ** (-uniform(batch, 0, 30, audio) / 20) * chance(batch, 0.4, audio)
    return audio + noise * (level * audio.std(1))[:, None]


def _reverberate(audio: Tensor) -> Tensor:
    """One random room for the batch: the direct sound, then noise that dies away."""
    samples = audio.shape[1]
    length = int(16_000 * float(torch.empty(1).uniform_(0.08, 0.4)))
    time = torch.arange(length, device=audio.device)
    tail = torch.randn(length, device=audio.device) * torch.exp(-6.9 * time / length)
    room = tail * float(torch.empty(1).uniform_(0.02, 0.12))
    room[0] = 1.0
    size = 1 << math.ceil(math.log2(samples + length))
    wet: Tensor = torch.fft.irfft(torch.fft.rfft(audio, size) * torch.fft.rfft(room, size), size)
    return wet[:, :samples]


def augment_mel(mel: Tensor) -> Tensor:
    """Tilt, cut and hide bands of a normalised log-mel (batch, bands, steps), as codecs do."""
    batch, bands, _ = mel.shape
    axis = torch.linspace(-1, 1, bands, device=mel.device)
    slope = uniform(batch, -0.6, 0.6, mel)[:, None] * axis
    mel = mel + (slope + uniform(batch, -0.4, 0.4, mel)[:, None])[..., None]
    edge = uniform(batch, 0.65, 1.0, mel)[:, None] * bands
    lowpass = (torch.arange(bands, device=mel.device) > edge) & chance(batch, 0.2, mel)[:, None]
    start = (torch.rand(batch, 1, device=mel.device) * bands).floor()
    offset = torch.arange(bands, device=mel.device) - start
    hidden = (offset >= 0) & (offset < 10) & chance(batch, 0.3, mel)[:, None]
    quiet = mel.amin((1, 2), keepdim=True)
    return torch.where((lowpass | hidden)[..., None], quiet, mel)


class WarpedMelTrack(MelTrack):
    """Log-mel as another vocal tract would have given it: frequencies stretched, one factor for each row.

    Vocal tract length perturbation (Jaitly and Hinton 2013), for few voices to learn from.
    """

    banks: Tensor

    def __init__(self) -> None:
        super().__init__()
        factors = torch.linspace(1 - TRACT_REACH, 1 + TRACT_REACH, TRACTS)
        banks = torch.stack([_stretched(self.filterbank, float(factor)) for factor in factors])
        self.register_buffer("banks", banks, persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """Int16 levels as float32 (batch, samples) → normalised log-mel (batch, bands, steps)."""
        chosen = torch.randint(TRACTS, (len(audio),), device=audio.device)
        return normalise_bands(self.banks[chosen] @ self.spectrum(audio))


def _stretched(filterbank: Tensor, factor: float) -> Tensor:
    """(bands, bins) with the bins read ``factor`` times as far up; each band keeps its weight."""
    last = filterbank.shape[1] - 1
    position = (torch.arange(last + 1) * factor).clamp(0, last)
    below = position.floor().long()
    share = position - below
    read = filterbank[:, below] * (1 - share) + filterbank[:, (below + 1).clamp(max=last)] * share
    return read * filterbank.sum(1, keepdim=True) / read.sum(1, keepdim=True).clamp(min=1e-8)
