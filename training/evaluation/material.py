"""Which clips are judged, in which cuts and with which manipulations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from outofsync.clip import Clip, Track
from outofsync.constants import FACE_SIZE, FRAME_RATE, MAX_DELAY, SAMPLES_PER_FRAME
from outofsync.frames import RawFrames
from training.clips import PreparedClip
from training.evaluation.excerpts import Sound, excerpt, frames_of, shifted, spans, swapped
from training.evaluation.judging import GENUINE, Product, Record

SHIFTS = tuple(range(1, MAX_DELAY + 1))
SAME_SPEAKER = "swapped sound, same speaker"
OTHER_SPEAKER = "swapped sound, other speaker"
SYNTHETIC_VOICE = "synthetic voice: "  # and the system: the picture is real
MOST_MANIPULATED = 4  # genuine clips of one identity that are manipulated; one talker has dozens of clips

LONGEST = 250  # frames: 10 s; longer clips are cut, so that no clip counts for too much
PIECE = 55  # frames: 2.2 s
TRIM = 13  # frames: half a second, rounded up
OFFSET_SECONDS = (1.0, 1.5, 2.2, 3.0, 5.0, 10.0)


@dataclass(frozen=True)
class View:
    """How a clip is cut before it is judged."""

    name: str
    length: int  # frames
    exact: bool = False  # leave out what does not fill ``length``
    trim: int = 0  # frames taken off either end
    manipulated: bool = True  # else only genuine clips are judged, as they are

    def cuts(self, clip: Clip) -> Iterator[tuple[Clip, int, int]]:
        """The clip without its ends, and where a piece of it starts and stops."""
        total = frames_of(clip)
        if total - 2 * self.trim >= FRAME_RATE or not self.trim:
            whole = excerpt(clip, self.trim, total - self.trim) if self.trim else clip
            for start, stop in spans(frames_of(whole), self.length, exact=self.exact):
                yield whole, start, stop


WHOLE = View("whole clips", LONGEST)
PIECES = View("pieces of 2.2 s", PIECE, exact=True)
TRIMMED = View("whole clips without their first and last half second", LONGEST, trim=TRIM)
OFFSET_VIEWS = {
    seconds: View(f"{seconds:g} s", round(seconds * FRAME_RATE), exact=True, manipulated=False)
    for seconds in OFFSET_SECONDS
}


def shift_kind(shift: int) -> str:
    return f"shift {shift}"


@dataclass(frozen=True)
class ClipTask:
    """One prepared clip, the cuts it is judged in and what is done to it."""

    clip: PreparedClip
    kind: str
    views: tuple[View, ...]
    shifts: tuple[int, ...] = ()
    donors: dict[str, PreparedClip] = field(default_factory=dict)  # kind of swap → whose sound
    late: bool = False  # the first piece's sound is moved back rather than forward; the next ones take turns

    @property
    def identity(self) -> str:
        return identity_of(self.clip)


def identity_of(clip: PreparedClip) -> str:
    """Who is seen; where that is unknown, each file is somebody else."""
    return str(clip.facts["identity"] or clip.facts["file"])


def kind_of(clip: PreparedClip) -> str:
    """The row a clip as it is belongs to."""
    label, generator = str(clip.facts["label"]), str(clip.facts["generator"])
    if label == "real":
        return GENUINE
    return SYNTHETIC_VOICE + generator if label == "fake_audio" else generator


def read(clip: PreparedClip) -> Clip:
    """Face and sound of a prepared clip, decoded; both start at once and end together."""
    frames, audio = clip.read()
    length = min(len(frames), audio.size // SAMPLES_PER_FRAME)
    box = np.array([0, 0, FACE_SIZE, FACE_SIZE], np.float32)
    track = Track(0, 0, RawFrames(frames.read(0, length)), np.tile(box, (length, 1)))
    return Clip([track], audio[: length * SAMPLES_PER_FRAME], digest=str(clip.facts["file"]))


def tasks_of(
    clips: Sequence[PreparedClip], views: Sequence[View], shifts: Sequence[int] = SHIFTS
) -> list[ClipTask]:
    """A task for each clip; of an identity with many genuine clips, only the first few are manipulated."""
    genuine = [clip for clip in clips if kind_of(clip) == GENUINE]
    full = tuple(views)
    bare = tuple(view for view in views if view.manipulated)
    manipulated = Counter[str]()
    tasks = []
    for clip in clips:
        if kind_of(clip) != GENUINE:
            if bare:
                tasks.append(ClipTask(clip, kind_of(clip), bare))
            continue
        manipulated[identity_of(clip)] += 1
        if manipulated[identity_of(clip)] > MOST_MANIPULATED:
            tasks.append(ClipTask(clip, GENUINE, full))
        else:
            late = len(tasks) % 2 == 1
            tasks.append(ClipTask(clip, GENUINE, full, tuple(shifts), donors_of(clip, genuine), late))
    # The longest first, so that no process works on alone at the end.
    return sorted(tasks, key=lambda task: -int(task.clip.facts["frames"]) * (1 + len(task.shifts)))


def donors_of(clip: PreparedClip, genuine: Sequence[PreparedClip]) -> dict[str, PreparedClip]:
    """Whose sound is put to a clip: another clip of the same identity, where there is one, and somebody else.

    The next clip in the list that is long enough; where none is, the longest one.
    """
    place = genuine.index(clip)
    others = [*genuine[place + 1 :], *genuine[:place]]
    wanted = min(int(clip.facts["frames"]), LONGEST)
    chosen = {}
    for kind, same in ((SAME_SPEAKER, True), (OTHER_SPEAKER, False)):
        group = [other for other in others if (identity_of(other) == identity_of(clip)) == same]
        if group:
            chosen[kind] = max(group, key=lambda other: min(int(other.facts["frames"]), wanted))
    return chosen


def judge_task(product: Product, task: ClipTask) -> list[Record]:
    """Every cut of one clip judged as it is and, where that is asked for, manipulated."""
    clip = read(task.clip)
    sounds = {kind: sound_with(donor) for kind, donor in task.donors.items()}
    records = []
    for view in task.views:
        for number, (whole, start, stop) in enumerate(view.cuts(clip)):
            made: dict[str, Clip | None] = {task.kind: excerpt(whole, start, stop)}
            if view.manipulated:
                sign = -1 if (number + task.late) % 2 else 1
                for shift in task.shifts:
                    made[shift_kind(shift)] = shifted(whole, start, stop, sign * shift)
                for kind, sound in sounds.items():
                    ends = view.trim * SAMPLES_PER_FRAME
                    made[kind] = swapped(whole, start, stop, sound[ends : sound.size - ends])
            for kind, each in made.items():
                if each is not None:
                    records.append(product.record(each, view.name, kind, task.identity))
    return records


def sound_with(clip: PreparedClip) -> Sound:
    """What is heard while the face of a prepared clip is in view."""
    frames, audio = clip.read()
    return audio[: len(frames) * SAMPLES_PER_FRAME]
