"""Coarticulation: phonemes to smooth movements of the mouth.

Each phoneme pulls every articulator to its target with a dominance which rises before the sound and falls
after it, and where pulls overlap they blend (Cohen and Massaro, 1993). What an eye does not forgive is then
imposed: the lips are shut for the whole of a bilabial's closure, the lower lip is at the teeth for f and v.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from samples.articulation.visemes import BILABIAL, LABIODENTAL, REST, VISEMES, Viseme, letters
from samples.speech.phoneme import Phoneme

FRAMES_PER_SECOND = 25
RISE = 0.055  # seconds in which lips come together or part
SHORTEST_CLOSURE = 0.045  # seconds; a little more than a frame, so that every closure is seen
BURST = 0.022  # seconds at the end of a stop in which its lips already part

Curve = NDArray[np.float64]


@dataclass(frozen=True)
class MouthTrack:
    """The articulators frame by frame, each (frames,) as in `Viseme`; `voice` is the loudness, 0–1."""

    jaw: Curve
    gap: Curve
    spread: Curve
    pucker: Curve
    tongue: Curve
    tuck: Curve
    voice: Curve

    def __len__(self) -> int:
        return len(self.jaw)


def mouth_track(
    phonemes: Sequence[Phoneme],
    frames: int,
    *,
    lead: float = 0.01,
    vigour: float = 1.0,
    loudness: Curve | None = None,
) -> MouthTrack:
    """The mouth which says `phonemes`, at 25 frames a second.

    Args:
        phonemes: In order of time.
        frames: How many frames to make.
        lead: Seconds by which the picture precedes the sound.
        vigour: How far the speaker opens the mouth; 1 is a clear speaker.
        loudness: (frames,) 0–1; louder speech opens the mouth further.
    """
    times = np.arange(frames) / FRAMES_PER_SECOND + lead
    loud = np.full(frames, 0.6) if loudness is None else loudness
    curves = _blend(list(_targets(phonemes)), times)
    opening = vigour * (0.75 + 0.45 * loud)
    apart = _distance(_closures(phonemes), times)
    bite = 1 - _smooth(_distance(_bites(phonemes), times) / RISE)
    bite *= _smooth(apart / RISE)
    curves["gap"] *= _smooth(apart / RISE) * opening * (1 - 0.75 * bite)
    curves["jaw"] *= opening * (0.35 + 0.65 * _smooth(apart / RISE)) * (1 - 0.6 * bite)
    curves["tuck"] = bite
    return MouthTrack(**curves, voice=loud)


def loudness(sound: NDArray[np.int16], frames: int) -> Curve:
    """Root mean square of each frame's sound, over the loudest, smoothed over three frames: (frames,) 0–1."""
    per_frame = len(sound) // frames
    rms = np.sqrt(
        np.square(sound[: frames * per_frame].reshape(frames, per_frame).astype(np.float64)).mean(1)
    )
    smooth = np.convolve(np.pad(rms, 1, mode="edge"), (0.25, 0.5, 0.25), mode="valid")
    return smooth / max(float(smooth.max()), 1.0)


def _targets(phonemes: Sequence[Phoneme]) -> Iterator[tuple[float, float, Viseme]]:
    """Centre and length in seconds, and target, of every viseme; diphthongs give two."""
    for phoneme in phonemes:
        wanted = [VISEMES[letter] for letter in letters(phoneme.symbol)] or [REST]
        length = (phoneme.end - phoneme.start) / len(wanted)
        for index, viseme in enumerate(wanted):
            yield phoneme.start + (index + 0.5) * length, length, viseme


def _blend(targets: list[tuple[float, float, Viseme]], times: Curve) -> dict[str, Curve]:
    names = [field.name for field in fields(MouthTrack) if field.name != "voice"]
    if not targets:
        return {name: np.full(len(times), getattr(REST, name)) for name in names}
    centres, lengths = (np.array([target[index] for target in targets]) for index in (0, 1))
    strengths = np.array([viseme.strength for *_, viseme in targets])
    reach = 0.45 * lengths + 0.03
    away = np.abs(times[:, None] - centres) / reach
    pull = strengths * np.exp(-(away**1.4)) + 1e-9 * np.exp(-away)  # (frames, targets)
    pull /= pull.sum(1, keepdims=True)
    return {name: pull @ np.array([getattr(viseme, name) for *_, viseme in targets]) for name in names}


def _closures(phonemes: Sequence[Phoneme]) -> list[tuple[float, float]]:
    """The spans in seconds in which the lips are shut."""
    spans = []
    for phoneme in phonemes:
        if letters(phoneme.symbol)[:1] in BILABIAL:
            start, end = phoneme.start, phoneme.end - BURST
            lack = max(0.0, SHORTEST_CLOSURE - (end - start)) / 2
            spans.append((start - lack, end + lack))
    return spans


def _bites(phonemes: Sequence[Phoneme]) -> list[tuple[float, float]]:
    return [(p.start, p.end - 0.01) for p in phonemes if letters(p.symbol)[:1] in LABIODENTAL]


def _distance(spans: list[tuple[float, float]], times: Curve) -> Curve:
    """Seconds from each time to the nearest span, 0 within one."""
    if not spans:
        return np.full(len(times), np.inf)
    starts, ends = np.array(spans).T
    away = np.maximum(np.maximum(starts - times[:, None], times[:, None] - ends), 0)
    nearest: Curve = away.min(1)
    return nearest


def _smooth(x: Curve) -> Curve:
    """0 at 0 and below, 1 at 1 and above, smooth between."""
    t = np.clip(x, 0, 1)
    smooth: Curve = t * t * (3 - 2 * t)
    return smooth
