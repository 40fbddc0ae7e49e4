"""The room colours the sound and does not move it."""

import numpy as np

from samples.speech.phoneme import SAMPLE_RATE
from samples.speech.room import in_a_room


def click() -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    sound = np.zeros(SAMPLE_RATE, np.int16)
    sound[4000:4200] = 20000
    return sound


def test_sound_stays_in_its_place() -> None:
    for seed in range(8):
        heard = in_a_room(click(), np.random.default_rng(seed)).astype(float)
        assert heard.shape == (SAMPLE_RATE,)
        spoken = click().astype(float)
        lags = np.correlate(heard[3000:6000], spoken[3900:4300], mode="valid")
        assert abs(int(np.argmax(np.abs(lags))) + 3000 - 3900) <= 8


def test_same_seed_gives_the_same_room() -> None:
    first, again, other = (in_a_room(click(), np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_silence_becomes_quiet_noise() -> None:
    heard = in_a_room(np.zeros(SAMPLE_RATE, np.int16), np.random.default_rng(0)).astype(float)
    assert 0 < heard.std() < 1500
