"""Known manipulations of genuine clips: sound shifted, and sound of another clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outofsync.constants import SAMPLES_PER_FRAME
from outofsync.frames import Frames, FrameStore, RawFrames
from outofsync.synchrony.interface import SyncInput

SHIFTS = (3, 6, 10, 15)  # frames
SPAN = 250  # frames: 10 s; longer clips are cut, so that no clip counts for too much


@dataclass(frozen=True)
class Span:
    """A stretch of one prepared clip, with what its video was."""

    frames: Frames  # (frames, 224, 224, 3)
    audio: NDArray[np.int16]
    group: str  # what must not be split between fitting and judging: the identity
    label: str
    generator: str

    def __len__(self) -> int:
        return len(self.frames)

    def as_input(self) -> SyncInput:
        return SyncInput(RawFrames(self.frames), self.audio)


def cut_spans(
    frames: FrameStore, audio: NDArray[np.int16], facts: dict[str, str], length: int = SPAN
) -> list[Span]:
    """Consecutive spans of 10 s; a shorter clip is one span, a rest shorter than a second is left out."""
    total = min(len(frames), audio.size // SAMPLES_PER_FRAME)
    spans = []
    for start in range(0, max(total, 1), length):
        stop = min(start + length, total)
        if start and stop - start < 25:
            break
        sound = audio[start * SAMPLES_PER_FRAME : stop * SAMPLES_PER_FRAME]
        names = (facts["identity"] or facts["file"], facts["label"], facts["generator"])
        spans.append(Span(frames.read(start, stop), sound, *names))
    return spans


def shifted(span: Span, shift: int) -> Span | None:
    """The sound ``shift`` frames early; None where less than half the span would be left."""
    if len(span) < 2 * shift or len(span) - shift < 10:
        return None
    return Span(
        span.frames[:-shift], span.audio[shift * SAMPLES_PER_FRAME :], span.group, "shifted", str(shift)
    )


def swapped(span: Span, other: Span) -> Span | None:
    """The picture of one span with the sound of another."""
    length = min(len(span), len(other))
    if length < 10:
        return None
    sound = other.audio[: length * SAMPLES_PER_FRAME]
    return Span(span.frames[:length], sound, span.group, "swapped", "")


def manipulated(spans: list[Span]) -> list[Span]:
    """Every shift of every span, and each span with the sound of one far down the list."""
    made = [shifted(span, shift) for span in spans for shift in SHIFTS]
    half = len(spans) // 2
    made += [swapped(span, spans[(number + half) % len(spans)]) for number, span in enumerate(spans)]
    return [span for span in made if span is not None]
