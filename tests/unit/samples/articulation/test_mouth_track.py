"""The mouth shows the sounds which an eye can tell."""

# ruff: noqa: RUF001 – letters of the phonetic alphabet look like others

from collections.abc import Sequence

import numpy as np
import pytest

from samples.articulation.mouth_track import FRAMES_PER_SECOND, MouthTrack, loudness, mouth_track
from samples.speech.phoneme import SAMPLE_RATE, Phoneme

LENGTH = 0.16  # seconds of every phoneme here: four frames


def track_of(symbols: Sequence[str], vigour: float = 1.0) -> MouthTrack:
    phonemes = [Phoneme(symbol, i * LENGTH, (i + 1) * LENGTH) for i, symbol in enumerate(symbols)]
    return mouth_track(phonemes, round(len(symbols) * LENGTH * FRAMES_PER_SECOND), lead=0.0, vigour=vigour)


def middle(index: int) -> int:
    """The frame in the middle of the phoneme at `index`."""
    return round((index + 0.5) * LENGTH * FRAMES_PER_SECOND)


@pytest.mark.parametrize("bilabial", ["p", "b", "m", "pʰ", "mː"])
def test_bilabial_shuts_the_lips_and_vowels_about_it_part_them(bilabial: str) -> None:
    track = track_of(["ɑː", bilabial, "ɑː"])
    assert track.gap[middle(1)] == 0
    assert min(track.gap[middle(0)], track.gap[middle(2)]) > 0.5


def test_even_the_shortest_closure_is_seen() -> None:
    for offset in np.linspace(0, 0.04, 9):
        phonemes = [
            Phoneme("a", 0, 0.4),
            Phoneme("p", 0.4 + offset, 0.43 + offset),
            Phoneme("a", 0.43 + offset, 0.9),
        ]
        assert mouth_track(phonemes, 22).gap.min() == 0


def test_labiodental_brings_the_lip_to_the_teeth() -> None:
    track = track_of(["a", "f", "a"])
    assert track.tuck[middle(1)] > 0.95
    assert track.tuck[0] < 0.05


def test_open_rounded_and_spread_vowels_differ() -> None:
    track = track_of(["ɑː", "uː", "iː"])
    open_, rounded, spread = (middle(index) for index in range(3))
    assert track.jaw[open_] > 1.5 * max(track.jaw[rounded], track.jaw[spread])
    assert track.spread[rounded] < -0.4 < 0.4 < track.spread[spread]
    assert track.pucker[rounded] > 0.5


def test_diphthong_moves_from_its_first_vowel_to_its_second() -> None:
    phonemes = [Phoneme("aɪ", 0.0, 0.4)]
    track = mouth_track(phonemes, 10)
    assert track.jaw[2] > 2 * track.jaw[8]


def test_silence_rests_the_mouth() -> None:
    assert track_of(["", "", ""]).gap.max() < 0.05
    assert mouth_track([], 5).gap.max() < 0.05


def test_articulators_stay_within_their_scales() -> None:
    symbols = np.random.default_rng(0).choice(["a", "p", "s", "u", "f", "i", "l", "", "ʃ", "m"], 60)
    track = track_of(list(symbols), vigour=1.2)
    for curve in (track.tongue, track.tuck, track.pucker):
        assert 0 <= curve.min() <= curve.max() <= 1
    assert -1 <= track.spread.min() <= track.spread.max() <= 1
    assert track.gap.min() >= 0


def test_louder_speech_opens_the_mouth_further() -> None:
    phonemes = [Phoneme("a", 0.0, 0.4)]
    quiet, loud = (mouth_track(phonemes, 10, loudness=np.full(10, level)) for level in (0.2, 1.0))
    assert loud.gap[5] > quiet.gap[5]


def test_picture_leads_by_what_is_asked() -> None:
    phonemes = [Phoneme("", 0, 0.4), Phoneme("a", 0.4, 0.8), Phoneme("", 0.8, 1.2)]
    early, exact = (mouth_track(phonemes, 30, lead=lead) for lead in (0.04, 0.0))
    np.testing.assert_allclose(early.jaw[:-1], exact.jaw[1:], atol=1e-9)


def test_loudness_follows_the_envelope() -> None:
    envelope = np.repeat([0.0, 1.0, 0.5, 0.0], SAMPLE_RATE // 5)
    tone = envelope * np.sin(np.arange(envelope.size) * 0.3) * 20000
    level = loudness(tone.astype(np.int16), 20)
    assert level.max() == pytest.approx(1)
    np.testing.assert_allclose(level[[2, 7, 12, 17]], [0, 1, 0.5, 0], atol=0.02)
