"""Random speakers, and utterances as long as a clip."""

import numpy as np

from samples.speech.espeak import Voice, speak
from samples.speech.phoneme import SAMPLE_RATE, Phoneme, Speech
from samples.speech.room import in_a_room
from samples.speech.sentences import LANGUAGES, sentence

ENGLISH = ("en-us", "en-gb-x-rp", "en-gb-scotland", "en-gb-x-gbclan", "en-029")
MEN = ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "klatt", "klatt2", "klatt3", "Alex", "Lee", "Michael")
WOMEN = ("f1", "f2", "f3", "f4", "f5", "Alicia", "Andrea", "Annie", "steph", "linda")
FOREIGN_SHARE = 0.35


def random_voice(rng: np.random.Generator, *, woman: bool) -> Voice:
    """A voice of any language, more often English."""
    language = rng.choice(LANGUAGES) if rng.random() < FOREIGN_SHARE else rng.choice(ENGLISH)
    return Voice(
        f"{language}+{rng.choice(WOMEN if woman else MEN)}",
        words_per_minute=int(rng.integers(125, 200)),
        pitch=int(rng.integers(30, 70)),
        pitch_range=int(rng.integers(25, 85)),
    )


def talk(seconds: float, voice: Voice, rng: np.random.Generator) -> Speech:
    """Random sentences of `voice` with pauses between them, cut to exactly `seconds`, in a random room.

    Raises:
        EspeakMissingError: espeak-ng is not installed.
    """
    language = voice.name.split("+")[0]
    parts: list[Speech] = [_pause(rng.uniform(0.05, 0.4))]
    while sum(part.seconds for part in parts) < seconds:
        parts += [speak(sentence(language, rng), voice), _pause(rng.uniform(0.05, 0.5))]
    return recorded(parts, seconds, rng)


def say(text: str, voice: Voice, seconds: float, rng: np.random.Generator) -> Speech:
    """`text` in a random room, with silence after it up to `seconds`; what is longer is cut off."""
    return recorded([_pause(0.3), speak(text, voice), _pause(seconds)], seconds, rng)


def recorded(parts: list[Speech], seconds: float, rng: np.random.Generator) -> Speech:
    """The parts after one another, cut to `seconds`, as a microphone in a random room hears them."""
    phonemes: list[Phoneme] = []
    offset = 0.0
    for part in parts:
        phonemes += [Phoneme(p.symbol, p.start + offset, p.end + offset) for p in part.phonemes]
        offset += part.seconds
    sound = np.concatenate([part.sound for part in parts])[: round(seconds * SAMPLE_RATE)]
    heard = tuple(p for p in phonemes if p.start < seconds)
    return Speech(in_a_room(sound, rng), heard)


def _pause(seconds: float) -> Speech:
    return Speech(np.zeros(round(seconds * SAMPLE_RATE), np.int16), (Phoneme("", 0.0, seconds),))
