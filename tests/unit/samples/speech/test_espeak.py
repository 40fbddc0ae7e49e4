"""The voice and the times of its phonemes; these tests need espeak-ng."""

import ctypes

import numpy as np
import pytest

from samples.articulation.mouth_track import loudness, mouth_track
from samples.speech import espeak
from samples.speech.espeak import EspeakMissingError, Voice, speak
from samples.speech.phoneme import SAMPLE_RATE
from samples.speech.sentences import LANGUAGES
from samples.speech.speaker import ENGLISH, MEN, WOMEN, random_voice, talk

needs_espeak = pytest.mark.skipif(not espeak.available(), reason="espeak-ng is not installed")


@needs_espeak
def test_closure_of_a_voiceless_stop_is_silent() -> None:
    speech = speak("an empty apple, a happy paper", Voice("en-us"))
    stops = [p for p in speech.phonemes if p.symbol == "p"]
    assert len(stops) >= 4
    for stop in stops:
        start = round((stop.start + 0.005) * SAMPLE_RATE)
        closure = speech.sound[start : start + SAMPLE_RATE // 100].astype(float)
        assert np.abs(closure).max() < 0.03 * np.abs(speech.sound.astype(float)).max()


@needs_espeak
def test_phonemes_follow_one_another_to_the_end() -> None:
    speech = speak("Nobody bought the boat.", Voice("en-gb-x-rp+m3"))
    for before, after in zip(speech.phonemes, speech.phonemes[1:], strict=False):
        assert before.start < before.end == after.start
    assert speech.phonemes[-1].end == pytest.approx(speech.seconds, abs=0.01)


@needs_espeak
def test_jaw_opens_with_the_sound() -> None:
    rng = np.random.default_rng(5)
    speech = talk(8.0, Voice("en-us+f2"), rng)
    frames = 200
    opening = mouth_track(speech.phonemes, frames).jaw
    level = loudness(speech.sound, frames)
    assert np.corrcoef(opening, level)[0, 1] > 0.5


@needs_espeak
def test_talk_lasts_as_long_as_asked() -> None:
    rng = np.random.default_rng(1)
    speech = talk(2.5, random_voice(rng, woman=True), rng)
    assert len(speech.sound) == round(2.5 * SAMPLE_RATE)
    assert all(phoneme.start < 2.5 for phoneme in speech.phonemes)


@needs_espeak
@pytest.mark.parametrize("language", [*ENGLISH, *LANGUAGES])
def test_every_language_speaks(language: str) -> None:
    for variant in (MEN[0], WOMEN[0]):
        assert talk(1.0, Voice(f"{language}+{variant}"), np.random.default_rng(0)).sound.any()


@needs_espeak
@pytest.mark.parametrize("variant", [*MEN, *WOMEN])
def test_every_variant_exists(variant: str) -> None:
    assert speak("Good evening.", Voice(f"en-us+{variant}")).sound.any()


@needs_espeak
def test_unknown_voice_is_refused() -> None:
    with pytest.raises(ValueError, match="no voice 'xx-nowhere'"):
        speak("hello", Voice("xx-nowhere"))


def test_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> ctypes.CDLL:
        raise OSError(name)

    espeak._library.cache_clear()
    monkeypatch.setattr(ctypes, "CDLL", absent)
    with pytest.raises(EspeakMissingError, match="apt-get install libespeak-ng1"):
        speak("hello", Voice("en-us"))
    assert not espeak.available()
