"""The way from the lips to the microphone: a little reverberation, a tilt of the spectrum, noise."""

import numpy as np
from numpy.typing import NDArray

from samples.speech.phoneme import SAMPLE_RATE


def in_a_room(sound: NDArray[np.int16], rng: np.random.Generator) -> NDArray[np.int16]:
    """`sound` (samples,) as recorded in a random room; as long as it came, and not later."""
    wave = sound.astype(np.float64) / 32768
    wave = _filtered(wave, rng)
    noise = _noise(len(wave), rng) * 10 ** (rng.uniform(-58, -36) / 20)
    peak = float(np.abs(wave).max()) or 1.0
    level = rng.uniform(0.35, 0.85)
    return np.round(np.clip(wave * level / peak + noise, -1, 1) * 32767).astype(np.int16)


def _filtered(wave: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Convolved with an impulse response whose direct sound is its first sample, and tilted."""
    decay = rng.uniform(0.08, 0.4)  # seconds to −60 dB
    response = rng.standard_normal(int(decay * SAMPLE_RATE))
    response *= 10 ** (-3 * np.arange(response.size) / response.size)
    response[: int(rng.uniform(0.002, 0.008) * SAMPLE_RATE)] = 0  # the first wall is a metre or two away
    response *= rng.uniform(0.05, 0.35) / np.sqrt(np.square(response).sum())
    response[0] = 1

    size = 1 << (wave.size + response.size - 1).bit_length()
    frequency = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    tilt = 10 ** (rng.uniform(-6, 4) * np.log2(np.maximum(frequency, 125) / 1000) / 3 / 20)
    high_pass = frequency**2 / (frequency**2 + rng.uniform(40, 120) ** 2)
    spectrum = np.fft.rfft(wave, size) * np.fft.rfft(response, size) * tilt * high_pass
    return np.fft.irfft(spectrum, size)[: wave.size]


def _noise(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise of unit power whose spectrum falls, between white and brown, as of a room."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    spectrum *= np.maximum(np.arange(spectrum.size), 20.0) ** -rng.uniform(0.1, 0.9)
    noise = np.fft.irfft(spectrum, count)
    return noise / (noise.std() or 1.0)
