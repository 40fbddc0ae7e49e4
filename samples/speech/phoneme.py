"""What the picture needs to know of the sound."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000  # Hz, of every sound the generator makes


@dataclass(frozen=True)
class Phoneme:
    """One sound of speech: its IPA symbol ("" is silence) and where it lies, in seconds."""

    symbol: str
    start: float
    end: float


@dataclass(frozen=True)
class Speech:
    """An utterance: int16 mono `sound` (samples,) at `SAMPLE_RATE`, and its phonemes in order of time."""

    sound: NDArray[np.int16]
    phonemes: tuple[Phoneme, ...]

    @property
    def seconds(self) -> float:
        return len(self.sound) / SAMPLE_RATE
