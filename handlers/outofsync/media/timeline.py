"""One line of time for a file whose clock starts late, starts again, jumps or wraps. For the child only.

Recorders begin at any hour, joined recordings begin anew, and a transport stream's clock wraps after a day.
A first reading of the file, without decoding, tells every packet's times; here they become stretches of one
clock each, and every stretch is moved to follow the one before. Picture and sound of one stretch move
together, so that each picture keeps its own sound. Times are microseconds.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from outofsync.media.grid import MICROSECONDS

# Pictures arrive out of order: one that is no key picture may lie this far before an earlier one.
REORDERED_US = MICROSECONDS
# Rounded times jitter; key pictures and sound lie no further before what came earlier.
JITTER_US = 50_000
# A clock that jumps further was set anew; a shorter jump is time in which nothing was recorded.
JUMP_US = 10 * MICROSECONDS
# How far the joins of picture and sound may lie apart, and still be one.
SNAP_US = MICROSECONDS
MOST_STRETCHES = 1_000
FARTHEST_US = 1 << 61  # any further, and sums of times are no 64-bit numbers any more
WRAP_US = (1 << 33) * MICROSECONDS // 90_000  # the clock of MPEG streams
PICTURE_GAP_US, SOUND_GAP_US = MICROSECONDS // 2, MICROSECONDS
TYPICAL_STEPS = 4  # pictures of a slide show stay as long as they stay; only a much longer wait is a gap

Placed = list[tuple[int, int]]  # start and end of each packet, sorted


class TimesError(ValueError):
    """The times cannot be put in order; its words say why, to callers."""


@dataclass(slots=True)
class Stretch:
    """Packets ``first`` up to ``stop`` of one stream, on one clock."""

    first: int
    place: int  # of the first packet in the file
    start_us: int
    latest_us: int  # at which a packet starts
    end_us: int
    stop: int = 0
    offset_us: int = 0  # what moves it to the common line


@dataclass
class Stamps:
    """The times of one stream's packets in the order of the file, and the stretches that they make up."""

    pictures: bool
    times: array[int] = field(default_factory=lambda: array("q"))
    lasts: array[int] = field(default_factory=lambda: array("q"))  # how long each is; 0 where nobody says
    stretches: list[Stretch] = field(default_factory=list)
    step_us: int = 0  # the middle one of all steps from one packet's time to the next

    def add(self, place: int, time_us: int | None, duration_us: int, *, key: bool) -> None:
        """One more packet, the ``place``-th of the file; raises :class:`TimesError`.

        One without a time follows the one before.
        """
        current = self.stretches[-1] if self.stretches else None
        if time_us is None:
            time_us = current.end_us if current else 0
        if max(abs(time_us), abs(duration_us)) > FARTHEST_US:
            raise TimesError("A time in this file lies thousands of years away from the others.")
        slack = REORDERED_US if self.pictures and not key else JITTER_US
        if current is None or not current.latest_us - slack <= time_us <= current.end_us + JUMP_US:
            if len(self.stretches) == MOST_STRETCHES:
                raise TimesError("The times in this file jump about too often to be put in order.")
            current = Stretch(len(self.times), place, time_us, time_us, time_us)
            self.stretches.append(current)
        self.times.append(time_us)
        self.lasts.append(duration_us)
        current.stop = len(self.times)
        current.start_us = min(current.start_us, time_us)
        current.latest_us = max(current.latest_us, time_us)
        current.end_us = max(current.end_us, time_us + duration_us)

    def finish(self) -> None:
        """All packets are there: what a typical step is, and where stretches end whose packets do not say."""
        steps: list[int] = []
        for stretch in self.stretches:
            ordered = sorted(self.times[stretch.first : stretch.stop])
            steps += (later - earlier for earlier, later in pairwise(ordered))
        self.step_us = sorted(steps)[len(steps) // 2] if steps else 0
        for stretch in self.stretches:
            stretch.end_us = max(stretch.end_us, stretch.latest_us + self.step_us)

    def offsets(self) -> Iterator[int]:
        """What moves each packet in turn to the common line."""
        for stretch in self.stretches:
            for _ in range(stretch.first, stretch.stop):
                yield stretch.offset_us

    def placed(self) -> Placed:
        """All packets on the common line; one of unknown length lasts a step."""
        return sorted(
            (time + offset, time + offset + (last or self.step_us))
            for time, last, offset in zip(self.times, self.lasts, self.offsets(), strict=True)
        )


@dataclass(frozen=True, slots=True)
class Gap:
    """Time for which something is missing; it ends where it starts where a clock was set anew."""

    start_us: int
    end_us: int
    missing: str  # picture, sound or time


class Timeline:
    """Where everything in a file lies on one line of time."""

    def __init__(self, video: Stamps, audio: Stamps) -> None:
        """From the stamps of all packets; their stretches get their offsets here."""
        video.finish()
        audio.finish()
        self.video, self.audio = video, audio
        self.gaps = _place(video, audio)
        self._pictures, self._sound = video.placed(), audio.placed()
        self.gaps += self._picture_gaps() + self._sound_gaps()
        self.gaps.sort(key=lambda gap: gap.start_us)

    @property
    def moved(self) -> bool:
        """Whether any packet's time is not what the file says."""
        return any(stretch.offset_us for one in (self.video, self.audio) for stretch in one.stretches)

    @property
    def picture_times(self) -> list[int]:
        """When each picture appears, sorted."""
        return [start for start, _ in self._pictures]

    @property
    def picture_end_us(self) -> int:
        return max((end for _, end in self._pictures), default=0)

    @property
    def end_us(self) -> int:
        return max(self.picture_end_us, max((end for _, end in self._sound), default=0))

    @property
    def length_us(self) -> int:
        """From the first picture or sound to the end of the last."""
        return self.end_us - min((one[0][0] for one in (self._pictures, self._sound) if one), default=0)

    def _picture_gaps(self) -> list[Gap]:
        longest = max(PICTURE_GAP_US, TYPICAL_STEPS * self.video.step_us)
        return [
            Gap(time + self.video.step_us, following, "picture")
            for time, following in pairwise(self.picture_times)
            if following - time > longest
        ]

    def _sound_gaps(self) -> list[Gap]:
        """From the first picture on; behind the last sound nothing is judged anyway."""
        if not self._pictures:
            return []
        found, heard_until = [], self._pictures[0][0]
        for start, end in self._sound:
            if start - heard_until > SOUND_GAP_US:
                found.append(Gap(heard_until, start, "sound"))
            heard_until = max(heard_until, end)
        return found


def _place(video: Stamps, audio: Stamps) -> list[Gap]:
    """Give every stretch its offset, in the order of the file; returns where pictures were joined."""
    waiting = [(stretch, video, audio) for stretch in video.stretches]
    waiting += [(stretch, audio, video) for stretch in _without_stray(audio, video)]
    done: dict[int, list[Stretch]] = {id(video): [], id(audio): []}
    joins = []
    for stretch, own, other in sorted(waiting, key=lambda one: one[0].place):
        before, others = done[id(own)], done[id(other)]
        coming = video.stretches[len(others)] if own is audio and len(others) < len(video.stretches) else None
        stretch.offset_us = _offset(stretch, before, others, coming)
        if own is video and before and not _wraps(stretch.offset_us - before[-1].offset_us):
            joined_us = stretch.start_us + stretch.offset_us
            joins.append(Gap(joined_us, joined_us, "time"))
        before.append(stretch)
    return joins


def _offset(
    stretch: Stretch, before: Sequence[Stretch], others: Sequence[Stretch], coming: Stretch | None
) -> int:
    """What moves a stretch to where it belongs, after those of its own and of the other stream so far.

    ``coming`` is the pictures' next one, where sound is asked for: no hole is left between pictures.
    """
    if not before:
        return others[0].offset_us if others else 0
    reached = before[-1].end_us + before[-1].offset_us
    for other in reversed(others):  # a clock that the other stream has already, or has had all the time
        if _beside(stretch, other) and stretch.start_us + other.offset_us >= reached - SNAP_US:
            return other.offset_us
    for known in (*reversed(before), *reversed(others)):  # a clock that has come back
        if abs(stretch.start_us + known.offset_us - reached) <= SNAP_US:
            return known.offset_us
    if coming is not None and others and _beside(stretch, coming):
        return others[-1].end_us + others[-1].offset_us - coming.start_us
    return reached - stretch.start_us


def _without_stray(audio: Stamps, video: Stamps) -> list[Stretch]:
    """The sound's stretches but for a first one that belongs to no picture: what was left of another video.

    It is moved to before the first picture, where nothing is heard of it.
    """
    stretches = audio.stretches
    if len(stretches) > 1 and video.stretches and not _beside(stretches[0], video.stretches[0]):
        stretches[0].offset_us = video.stretches[0].start_us - stretches[0].end_us - MICROSECONDS
        return stretches[1:]
    return stretches


def _beside(stretch: Stretch, other: Stretch) -> bool:
    """Whether a stretch starts while the other's clock shows that time, or nearly."""
    return other.start_us - SNAP_US <= stretch.start_us <= other.end_us + SNAP_US


def _wraps(change_us: int) -> bool:
    """Whether a clock went on as it was, but for having no more digits."""
    return abs(abs(change_us) - WRAP_US) < JITTER_US or not change_us
