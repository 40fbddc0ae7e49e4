"""What counts as sound, and what as none."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from outofsync.scoring.abstention import Abstention
from outofsync.scoring.loudness import is_silent, loudness, variation_db

RULES = Abstention()
SECOND = 16_000


def noise(level: float, seconds: int = 4) -> NDArray[np.float64]:
    return np.random.default_rng(1).normal(0, level, SECOND * seconds)


def syllables(level: float, seconds: int = 4) -> NDArray[np.int16]:
    """Noise that comes and goes four times a second, with a pause every other second, as speech does."""
    time = np.arange(SECOND * seconds) / SECOND
    shape = np.clip(np.sin(2 * np.pi * 4 * time), 0, None) * (time % 2 < 1.5)
    return whole(noise(level, seconds) * shape)


def hum(level: float) -> NDArray[np.int16]:
    time = np.arange(4 * SECOND) / SECOND
    return whole(level * np.sqrt(2) * np.sin(2 * np.pi * 50 * time))


def whole(samples: NDArray[np.float64]) -> NDArray[np.int16]:
    rounded: NDArray[np.int16] = np.round(samples).astype(np.int16)
    return rounded


def test_loudness_is_that_of_the_loudest_half_second() -> None:
    quiet_then_loud = np.concatenate([np.zeros(16_000), np.full(8_000, 500)]).astype(np.int16)
    assert loudness(quiet_then_loud) == pytest.approx(500)


@pytest.mark.parametrize("level", [5, 30, 3000])
def test_speech_is_heard_however_faint(level: float) -> None:
    assert not is_silent(syllables(level), RULES)


@pytest.mark.parametrize("level", [3, 10, 25])
def test_a_hiss_and_a_hum_of_the_recorder_are_no_sound(level: float) -> None:
    assert is_silent(whole(noise(level)), RULES)
    assert is_silent(hum(level), RULES)


def test_loud_sound_is_heard_whatever_it_is() -> None:
    assert not is_silent(hum(1000), RULES)


@pytest.mark.parametrize("samples", [0, 1, 500, 4 * SECOND])
def test_nothing_is_silent(samples: int) -> None:
    nothing = np.zeros(samples, np.int16)
    assert is_silent(nothing, RULES)
    assert variation_db(nothing) == 0


def test_what_is_below_whole_numbers_is_nothing() -> None:
    assert is_silent(syllables(0.6), RULES)
