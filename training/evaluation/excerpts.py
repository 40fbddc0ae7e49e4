"""Clips cut as files would be: spans, ends taken off, sound moved or taken from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from outofsync.clip import Clip, Track
from outofsync.constants import SAMPLES_PER_FRAME
from outofsync.frames import RawFrames

SHORTEST = 10  # frames that a manipulation must leave

Sound = NDArray[np.int16]


def decoded(clip: Clip) -> Clip:
    """The same clip with its frames uncoded, for work that reads them again and again."""
    tracks = [
        replace(track, frames=RawFrames(track.frames.read(0, len(track.frames)))) for track in clip.tracks
    ]
    return replace(clip, tracks=tracks)


def frames_of(clip: Clip) -> int:
    """Length in frames: as long as there is sound."""
    return clip.audio.size // SAMPLES_PER_FRAME


def sound_of(clip: Clip, start: int, stop: int) -> Sound:
    """The sound of frames start … stop−1."""
    return clip.audio[start * SAMPLES_PER_FRAME : stop * SAMPLES_PER_FRAME]


def excerpt(clip: Clip, start: int, stop: int, sound: Sound | None = None) -> Clip:
    """Frames start … stop−1 of every track, with their own sound or with ``sound`` of the same length."""
    if sound is None:
        sound = sound_of(clip, start, stop)
    tracks = []
    for track in clip.tracks:
        first, last = max(start, track.start), min(stop, track.stop)
        if first < last:
            inside = slice(first - track.start, last - track.start)
            frames = RawFrames(track.frames.read(inside.start, inside.stop))
            tracks.append(
                Track(track.id, first - start, frames, track.boxes[inside], track.sharpness[inside])
            )
    return replace(clip, tracks=tracks, audio=sound, timing_ms={}, models={})


def spans(total: int, length: int, *, exact: bool, shortest: int = 25) -> Iterator[tuple[int, int]]:
    """Consecutive spans of ``length`` frames.

    With ``exact``, what does not fill a span is left out. Without, a clip shorter than ``length`` is one
    span, and the rest of a longer one is a span of its own if it has ``shortest`` frames.
    """
    for start in range(0, total, length):
        stop = min(start + length, total)
        if stop - start == length or (not exact and (start == 0 or stop - start >= shortest)):
            yield start, stop


def shifted(clip: Clip, start: int, stop: int, shift: int) -> Clip | None:
    """A span whose sound is ``shift`` frames early (late where negative); None where too little is left.

    Where the clip goes on beyond the span, so does its sound, and the span keeps its length. Where it does
    not in the wanted direction, the other is taken; where neither, picture and sound are cut to what they
    share, as a re-edited file would be.
    """
    for moved in (shift, -shift):
        if start + moved >= 0 and stop + moved <= frames_of(clip):
            return excerpt(clip, start, stop, sound_of(clip, start + moved, stop + moved))
    left = stop - start - abs(shift)
    if left < max(SHORTEST, (stop - start) / 2):
        return None
    seen, heard = (start, start + shift) if shift > 0 else (start - shift, start)
    return excerpt(clip, seen, seen + left, sound_of(clip, heard, heard + left))


def swapped(clip: Clip, start: int, stop: int, other: Sound) -> Clip | None:
    """A span with another clip's sound, from the same place if that is long enough; else from its beginning.

    A shorter sound shortens the span; None where that leaves less than half of it.
    """
    available, length = other.size // SAMPLES_PER_FRAME, stop - start
    heard = start if stop <= available else 0
    kept = min(length, available - heard)
    if kept < max(SHORTEST, length / 2):
        return None
    return excerpt(
        clip, start, start + kept, other[heard * SAMPLES_PER_FRAME : (heard + kept) * SAMPLES_PER_FRAME]
    )
