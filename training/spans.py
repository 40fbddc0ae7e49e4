"""Spans of clips: cut out, their sound shifted or replaced, played at another pace, and how much each counts.

One sign throughout, that of the product: frames by which the sound comes late. A span whose picture is of
frame 20 and whose sound is of frame 14 is 6 frames late; putting sound that is late in its place makes it
that much earlier.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from outofsync.clip import Clip, Track
from outofsync.constants import SAMPLES_PER_FRAME
from outofsync.frames import FrameStore, JpegFrames, RawFrames

MIN_FRAMES = 10  # that a manipulation of a clip must leave
MAX_LATE = 12  # frames by which the sound of a training span is late or early
MAX_PACE = 1.22  # how much faster or slower than recorded a training span is played
PACED_SHARE = 0.7  # of training spans played at another pace than their own

Sound = NDArray[np.int16]  # (samples,) mono, 16 kHz
Floats = NDArray[np.float64]
Random = np.random.Generator


@dataclass(frozen=True)
class Span:
    """Where a stretch of a clip is cut from: its first picture (frame), its first sample, its length."""

    seen: int
    heard: int
    frames: int

    @classmethod
    def of(cls, start: int, stop: int, late: int = 0) -> Span:
        """Pictures of frames ``start`` … ``stop`` − 1 with a sound that comes ``late`` frames late."""
        return cls(start, (start - late) * SAMPLES_PER_FRAME, stop - start)

    @property
    def picture(self) -> slice:
        """Of the clip's frames."""
        return slice(self.seen, self.seen + self.frames)

    @property
    def sound(self) -> slice:
        """Of the clip's samples."""
        return slice(self.heard, self.heard + self.frames * SAMPLES_PER_FRAME)

    def inside(self, total: int) -> bool:
        """Whether a clip of ``total`` frames has all of it."""
        return (
            min(self.seen, self.heard) >= 0
            and max(self.picture.stop * SAMPLES_PER_FRAME, self.sound.stop) <= total * SAMPLES_PER_FRAME
        )


def overlap(seen: tuple[int, int], heard: tuple[int, int], late: float) -> Span:
    """What is left where pictures and sound both last, once the sound comes ``late`` frames late.

    ``seen`` holds the first and the last frame + 1 of the pictures, ``heard`` those of the samples, both of
    one clip; fractions of a frame count. A span of no frames where nothing is left.
    """
    first = seen[0] + max(0, math.ceil(heard[0] / SAMPLES_PER_FRAME + late - seen[0]))
    sample = round((first - late) * SAMPLES_PER_FRAME)
    return Span(first, sample, max(0, min(seen[1] - first, (heard[1] - sample) // SAMPLES_PER_FRAME)))


def shifted(start: int, stop: int, late: int, total: int) -> Span | None:
    """A span with its sound ``late`` frames late, of a clip of ``total`` frames; None if too little is left.

    Where the clip goes on before or after it, so does its sound or its picture, and the span keeps its
    length. Where it does not, picture and sound are cut to what they share, as a re-edited file would be.
    """
    length = stop - start
    for first in (start, start + late):
        span = Span.of(first, first + length, late)
        if span.inside(total):
            return span
    left = overlap((start, stop), (start * SAMPLES_PER_FRAME, stop * SAMPLES_PER_FRAME), late)
    return left if left.frames >= max(MIN_FRAMES, length / 2) else None


def pieces(total: int, length: int, shortest: int | None = None) -> Iterator[tuple[int, int]]:
    """Consecutive spans of ``length`` frames (start, stop); what does not fill one is left out.

    With ``shortest``, a last one of that many frames counts too.
    """
    for start in range(0, total, length):
        stop = min(start + length, total)
        if stop - start >= (length if shortest is None else shortest):
            yield start, stop


def cut_frames(frames: FrameStore, first: int, stop: int) -> FrameStore:
    """Frames ``first`` … ``stop`` − 1 as a store of their own, coded as they were."""
    tensors = frames.tensors()
    if "raw" in tensors:
        return RawFrames(tensors["raw"][first:stop])
    sizes = tensors["jpeg_sizes"]
    ends = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    first, stop = min(first, len(sizes)), min(stop, len(sizes))
    return JpegFrames.from_tensors(tensors["jpeg"][ends[first] : ends[stop]], sizes[first:stop])


def in_place(frames: FrameStore, audio: Sound, *, start: int, late: float) -> tuple[FrameStore, Sound]:
    """Put sound that comes ``late`` frames late where it belongs (negative: early; fractions count).

    ``audio`` is that of the whole video, ``start`` the frame of it at which ``frames`` begin. Pictures whose
    sound lies before the beginning of the video are left out; both end together. Where nothing is late, both
    stay as they are: the sound may go on after the last picture.
    """
    if not late:
        return frames, audio[start * SAMPLES_PER_FRAME :]
    span = overlap((start, start + len(frames)), (0, audio.size), -late)
    first = span.seen - start
    return cut_frames(frames, first, first + span.frames), audio[span.sound]


def frames_of(clip: Clip) -> int:
    """Length in frames: as long as there is sound."""
    return clip.audio.size // SAMPLES_PER_FRAME


def decoded(clip: Clip) -> Clip:
    """The same clip with its frames uncoded, for work that reads them again and again."""
    tracks = [
        replace(track, frames=RawFrames(track.frames.read(0, len(track.frames)))) for track in clip.tracks
    ]
    return replace(clip, tracks=tracks)


def excerpt(clip: Clip, start: int, stop: int, sound: Sound | None = None) -> Clip:
    """Frames ``start`` … ``stop`` − 1 of every track, with their own sound or another (samples,) as long."""
    tracks = []
    for track in clip.tracks:
        first, last = max(start, track.start), min(stop, track.stop)
        if first < last:
            inside = slice(first - track.start, last - track.start)
            frames = RawFrames(track.frames.read(inside.start, inside.stop))
            tracks.append(
                Track(track.id, first - start, frames, track.boxes[inside], track.sharpness[inside])
            )
    audio = clip.audio[Span.of(start, stop).sound] if sound is None else sound
    return replace(clip, tracks=tracks, audio=audio, timing_ms={}, models={})


def with_sound_shifted(clip: Clip, start: int, stop: int, late: int) -> Clip | None:
    """A span of a clip as :func:`shifted` cuts it."""
    span = shifted(start, stop, late, frames_of(clip))
    if span is None:
        return None
    return excerpt(clip, span.picture.start, span.picture.stop, clip.audio[span.sound])


def with_sound_swapped(clip: Clip, start: int, stop: int, other: Sound) -> Clip | None:
    """A span with another clip's sound (samples,), from the same place if it is long enough, else its start.

    A shorter sound shortens the span; None where that leaves less than half of it.
    """
    available, length = other.size // SAMPLES_PER_FRAME, stop - start
    heard = start if stop <= available else 0
    kept = min(length, available - heard)
    if kept < max(MIN_FRAMES, length / 2):
        return None
    return excerpt(clip, start, start + kept, other[Span.of(heard, heard + kept).sound])


def draw_span(random: Random, available: int, frames: int, max_pace: float) -> tuple[float, float, int]:
    """Where a training span of ``frames`` frames is cut from a clip of ``available`` frames.

    Returns its pace (frames of the clip for each of its own), where its sound begins (frame of the clip), and
    by how many of its own frames that sound is late.
    """
    pace = _draw_pace(random, available, frames, max_pace)
    length = (frames - 1) * pace + 1  # frames of the clip that the span takes
    max_late = int(min((available - length) / pace, MAX_LATE))
    late = int(random.integers(-max_late, max_late + 1))
    first, last = max(0, -late) * pace, available - length - max(0, late) * pace
    if pace == 1:  # whole frames, so that what is not played otherwise stays as it is
        return pace, float(random.integers(round(first), round(last) + 1)), late
    return pace, float(random.uniform(first, max(first, last))), late


def _draw_pace(random: Random, available: int, frames: int, max_pace: float) -> float:
    """Never more than the clip has frames for."""
    if max_pace == 1 or random.uniform() >= PACED_SHARE:
        return 1.0
    reach = np.log(max_pace)
    return min(float(np.exp(random.uniform(-reach, reach))), (available - 1) / (frames - 1))


def inverse_frequency_weights(
    groups: Sequence[Hashable], power: float = 1.0, sizes: Sequence[int] | None = None
) -> Floats:
    """A weight for each clip, (clips,): the size of its group to the power of −``power``.

    With a power of one every group counts alike, whatever its size; with less, a group's share is its share
    of all clips to the power of 1 − ``power``. ``sizes`` are those of the clips, one each if not given.
    """
    total = Counter[Hashable]()
    for group, size in zip(groups, sizes if sizes is not None else [1] * len(groups), strict=True):
        total[group] += size
    return np.array([total[group] ** -power for group in groups], np.float64)


def balanced_weights(kinds: Sequence[str], identities: Sequence[str], genuine: str) -> Floats:
    """A weight for each clip, (clips,): genuine and manipulated ones count alike, a half each.

    So do the kinds of manipulation, and in each kind everybody who is seen.
    """
    fakes = max(1, len(set(kinds) - {genuine}))
    groups = list(zip(kinds, identities, strict=True))
    sizes = Counter(groups)
    people = Counter(kind for kind, _ in sizes)
    return np.array(
        [
            (0.5 if kind == genuine else 0.5 / fakes) / people[kind] / sizes[kind, identity]
            for kind, identity in groups
        ]
    )
