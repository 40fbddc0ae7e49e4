"""Clips cut as files would be: spans, with their sound moved or taken from elsewhere."""

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


def pieces(total: int, length: int) -> Iterator[tuple[int, int]]:
    """Consecutive spans of ``length`` frames; what does not fill one is left out."""
    for start in range(0, total - length + 1, length):
        yield start, start + length


def moved(clip: Clip, start: int, stop: int, late: int) -> Clip | None:
    """A span whose sound is ``late`` frames late (early where negative); None where too little is left.

    Where the clip goes on before or after it, so does its sound or its picture, and the span keeps its
    length. Where it does not, picture and sound are cut to what they share, as a re-edited file would be.
    """
    total, length = frames_of(clip), stop - start
    for heard in (start - late, start):
        if min(heard, heard + late) >= 0 and max(heard, heard + late) + length <= total:
            return excerpt(clip, heard + late, heard + late + length, sound_of(clip, heard, heard + length))
    first, last = max(start - late, start), min(stop - late, stop)  # what is heard
    if last - first < max(SHORTEST, length / 2):
        return None
    return excerpt(clip, first + late, last + late, sound_of(clip, first, last))


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
