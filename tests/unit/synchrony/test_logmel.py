"""The log-mel front end against its definition."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from outofsync.synchrony.logmel import CHUNK_SAMPLES, FLOOR, MEL_BANDS, STEPS, LogMel

RATE = 16_000


def test_one_chunk_becomes_eighty_bands_of_twenty_steps() -> None:
    assert LogMel()(torch.zeros(3, CHUNK_SAMPLES, dtype=torch.int16)).shape == (3, MEL_BANDS, STEPS)


def test_silence_is_the_floor() -> None:
    mel = LogMel()(torch.zeros(1, CHUNK_SAMPLES))
    torch.testing.assert_close(mel, torch.full_like(mel, float(np.log(FLOOR))))


def test_a_higher_note_is_loudest_in_a_higher_band() -> None:
    seconds = torch.arange(CHUNK_SAMPLES) / RATE
    notes = torch.stack([1000 * torch.sin(2 * torch.pi * hz * seconds) for hz in (200.0, 1000.0, 5000.0)])
    low, middle, high = LogMel()(notes).mean(-1).argmax(-1).tolist()
    assert low < middle < high


def test_equals_the_transform_written_out() -> None:
    rng = np.random.default_rng(3)
    chunk = rng.integers(-8000, 8000, CHUNK_SAMPLES).astype(np.int16)
    expected = np.log(LogMel().filterbank.numpy().astype(np.float64) @ magnitudes(chunk) + FLOOR)
    mel = LogMel()(torch.from_numpy(chunk)[None])[0].numpy()
    np.testing.assert_allclose(mel, expected, atol=1e-4)


def magnitudes(chunk: NDArray[np.int16]) -> NDArray[np.float64]:
    """|DFT| of 512 reflected samples around every 160th, under a periodic Hann window of 320."""
    hann = np.pad(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(320) / 320), 96)
    reflected = np.pad(chunk.astype(np.float64), 256, mode="reflect")
    columns = [reflected[step * 160 : step * 160 + 512] * hann for step in range(STEPS)]
    return np.stack([np.abs(np.fft.rfft(column)) for column in columns], axis=1)
