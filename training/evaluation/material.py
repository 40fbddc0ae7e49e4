"""What is judged: prepared clips as they are, cut, and with their sound moved or taken from elsewhere."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from outofsync.clip import Clip, Track
from outofsync.constants import FACE_SIZE, FRAME_RATE, SAMPLES_PER_FRAME
from outofsync.deblur.sharpness import sharpness
from outofsync.frames import FrameStore, RawFrames
from training.clips import PreparedClip
from training.evaluation.judging import (
    AS_FILED,
    DUBBED,
    GENERATED,
    GENUINE,
    HALF,
    INSIDE,
    OTHER_SPEAKER,
    OUTSIDE,
    PIECE,
    SAME_SPEAKER,
    SYNTHETIC_VOICE,
    WHOLE,
    Product,
    Record,
    Subject,
    Treatment,
)
from training.spans import Sound, excerpt, frames_of, pieces, with_sound_shifted, with_sound_swapped

# Frames, positive where the sound is late. Sound up to 2 frames early or 4 late is broadcast as it is (ITU-R
# BT.1359-1); 3 frames beyond that and more is what must be found.
PLACES_INSIDE = (-2, 2, 4)
PLACES_OUTSIDE = (-7, 7, 12)
PLACES_OF_PIECES = (-7, 7)
FAIR_CONFIDENCE = 0.9  # from which a clip's own offset is believed: every second clip

MAX_MANIPULATED = 4  # genuine clips of one identity that are manipulated; one talker has dozens of clips
MAX_PIECES = 2  # of one clip
LONGEST = 10 * FRAME_RATE  # frames; of longer clips the beginning, so that no clip counts for too much
PIECE_FRAMES = 55  # 2.2 s
SHORTEST_HALVED = 4 * FRAME_RATE  # frames
SHARPNESS_FRAMES = 12  # of a clip that are measured
DUB = "McGurk dub"  # in the name of a generator: real pictures with another utterance, nothing generated


@dataclass(frozen=True)
class ClipTask:
    """One prepared clip and what is done to it."""

    clip: PreparedClip
    page: str = ""
    manipulated: bool = False  # else it is judged as it is, and in halves where it is genuine
    donors: dict[str, PreparedClip] = field(default_factory=dict)  # kind of swap → whose sound

    @property
    def kind(self) -> str:
        return kind_of(self.clip)


def identity_of(clip: PreparedClip) -> str:
    """Who is seen; where that is unknown, each file is somebody else."""
    return str(clip.facts["identity"] or clip.facts["file"])


def kind_of(clip: PreparedClip) -> str:
    """What a clip is as it is."""
    return kind_from(str(clip.facts["label"]), str(clip.facts["generator"]))


def kind_from(label: str, generator: str) -> str:
    """The kind of a clip with this label, made by this generator."""
    if label == "real":
        return GENUINE
    if label == "fake_audio":
        return SYNTHETIC_VOICE
    return DUBBED if DUB in generator else GENERATED


def pages_of(videos: Path) -> dict[str, str]:
    """The page that showed each file, from a CSV of videos; nothing where there is none."""
    if not videos.exists():
        return {}
    with videos.open(newline="") as file:
        return {row["file"]: page_of(row.get("page") or "", row["source"]) for row in csv.DictReader(file)}


def page_of(page: str, source: str) -> str:
    """The page; of older clips, for which none was noted, the source that genuine and fake ones share."""
    return page or source.removesuffix(" originals")


def read(clip: PreparedClip) -> Clip:
    """Face and sound of a prepared clip, decoded; both start at once and end together."""
    frames, audio = clip.read()
    length = min(len(frames), audio.size // SAMPLES_PER_FRAME)
    box = np.array([0, 0, FACE_SIZE, FACE_SIZE], np.float32)
    track = Track(0, 0, RawFrames(frames.read(0, length)), np.tile(box, (length, 1)))
    return Clip([track], audio[: length * SAMPLES_PER_FRAME], digest=str(clip.facts["file"]))


def subject_of(clip: PreparedClip, frames: FrameStore, page: str = "") -> Subject:
    """What is known about a clip; its sharpness is that of a few frames all over it."""
    facts = clip.facts
    numbers = np.linspace(0, min(len(frames), LONGEST) - 1, SHARPNESS_FRAMES).astype(int).tolist()
    looked_at = np.concatenate([frames.read(number, number + 1) for number in numbers])
    return Subject(
        str(facts["file"]),
        identity_of(clip),
        str(facts["source"]),
        str(facts["generator"]),
        page,
        float(facts["face_px"]),
        round(float(np.median(sharpness(looked_at))), 4),
    )


def tasks_of(clips: Sequence[PreparedClip], pages: Mapping[str, str]) -> list[ClipTask]:
    """A task for each clip; of an identity with many genuine clips, only the first few are manipulated."""
    genuine = [clip for clip in clips if kind_of(clip) == GENUINE]
    manipulated = Counter[str]()
    tasks = []
    for clip in clips:
        page = pages.get(str(clip.facts["file"]), "")
        if kind_of(clip) == GENUINE:
            manipulated[identity_of(clip)] += 1
        if kind_of(clip) != GENUINE or manipulated[identity_of(clip)] > MAX_MANIPULATED:
            tasks.append(ClipTask(clip, page))
        else:
            tasks.append(ClipTask(clip, page, True, donors_of(clip, genuine)))
    # The longest first, so that no process works on alone at the end.
    return sorted(tasks, key=lambda task: (-task.manipulated, -int(task.clip.facts["frames"])))


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


def sound_with(clip: PreparedClip) -> Sound:
    """What is heard while the face of a prepared clip is in view: int16 (samples,), 16 kHz."""
    frames, audio = clip.read()
    return audio[: len(frames) * SAMPLES_PER_FRAME]


def judge_task(product: Product, task: ClipTask) -> list[Record]:
    """One clip judged as it is, in halves and, where that is asked for, manipulated."""
    clip = read(task.clip)
    trials = Trials(product, clip, subject_of(task.clip, clip.tracks[0].frames, task.page))
    length = min(frames_of(clip), LONGEST)
    whole = trials.as_it_is(0, length, Treatment(task.kind))
    if task.kind == GENUINE and length >= SHORTEST_HALVED:
        for start, stop in ((0, length // 2), (length // 2, length)):
            trials.as_it_is(start, stop, Treatment(cut=HALF))
    if task.manipulated:
        sounds = {kind: sound_with(donor) for kind, donor in task.donors.items()}
        own = own_place(whole)
        trials.swap(0, length, sounds, WHOLE)
        trials.move(0, length, own, PLACES_INSIDE, Treatment(INSIDE))
        trials.move(0, length, own, PLACES_OUTSIDE, Treatment(OUTSIDE))
        trials.move(0, length, 0, PLACES_INSIDE, Treatment(AS_FILED))
        for start, stop in list(pieces(length, PIECE_FRAMES))[:MAX_PIECES]:
            trials.as_it_is(start, stop, Treatment(cut=PIECE))
            trials.swap(start, stop, sounds, PIECE)
            trials.move(start, stop, own, PLACES_OF_PIECES, Treatment(OUTSIDE, PIECE))
    return trials.records


def own_place(record: Record) -> int:
    """Where a clip's sound is by itself, in frames: none where the product is not fairly sure."""
    sure = record.offset is not None and (record.confidence or 0.0) >= FAIR_CONFIDENCE
    return record.offset or 0 if sure else 0


class Trials:
    """Versions of one clip, each judged once, whatever number of tables it serves."""

    def __init__(self, product: Product, clip: Clip, subject: Subject) -> None:
        self.records: list[Record] = []
        self._product = product
        self._clip = clip
        self._subject = subject
        self._by_sound: dict[tuple[int, int, int], Record] = {}  # span and by how much its sound was moved

    def as_it_is(self, start: int, stop: int, treatment: Treatment) -> Record:
        """Judge a span with its own sound."""
        record = self._judge(excerpt(self._clip, start, stop), treatment)
        self._by_sound[start, stop, 0] = record
        return record

    def swap(self, start: int, stop: int, sounds: Mapping[str, Sound], cut: str) -> None:
        """Judge a span with other clips' sounds."""
        for kind, sound in sounds.items():
            made = with_sound_swapped(self._clip, start, stop, sound)
            if made is not None:
                self._judge(made, Treatment(kind, cut))

    def move(self, start: int, stop: int, own: int, places: Sequence[int], treatment: Treatment) -> None:
        """Judge a span with its sound, which lies at ``own``, put to each of these places."""
        for place in places:
            late = place - own
            done = replace(treatment, place=place, moved=late)
            known = self._by_sound.get((start, stop, late))
            if known is not None:
                self.records.append(replace(known, treatment=done))
                continue
            made = with_sound_shifted(self._clip, start, stop, late)
            if made is not None:
                self._by_sound[start, stop, late] = self._judge(made, done)

    def _judge(self, made: Clip, treatment: Treatment) -> Record:
        record = self._product.record(made, self._subject, treatment)
        self.records.append(record)
        return record
