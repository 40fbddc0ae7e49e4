"""What is left when a video was copied, compressed, re-timed, made quieter or blurred on its way."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from outofsync.clip import Clip
from outofsync.limits import Limits
from outofsync.media import Decoder
from outofsync.nodes import Request
from training.evaluation.bands import family_of
from training.evaluation.degradations import (
    BLURS,
    EVERYDAY,
    UNCHANGED,
    Degradation,
    Footage,
    degrade,
    degraded,
    read_footage,
)
from training.evaluation.judging import (
    GENERATED,
    GENUINE,
    OTHER_SPEAKER,
    OUTSIDE,
    Product,
    Record,
    Subject,
    Treatment,
)
from training.evaluation.material import kind_from, own_place
from training.spans import Sound, decoded, excerpt, frames_of, with_sound_shifted, with_sound_swapped

SECONDS = 4.0  # of each video
SHORTEST = 1.0  # seconds
MAX_PEOPLE = 24  # people of either side
PLACES = (7, -7)  # frames, in turn: where the sound is moved
BLANK: Footage = Footage([np.full((64, 64, 3), 128, np.uint8)] * 2, [0.0, 1.0], np.zeros(0, np.int16), 44_100)


@dataclass(frozen=True)
class Setting:
    """What is done to a video, and the request's option ``deblur``."""

    how: Degradation
    deblur: str = "auto"

    @property
    def name(self) -> str:
        return f"{self.how.name}, deblur={self.deblur}"


# The first one is what the others are compared with.
EVERYDAY_SETTINGS = tuple(Setting(how) for how in (UNCHANGED, *EVERYDAY))
BLUR_SETTINGS = (
    Setting(UNCHANGED, "never"),
    *(Setting(how, deblur) for how in BLURS for deblur in ("never", "auto", "always")),
)


@dataclass(frozen=True)
class RobustnessTask:
    """A video, for genuine ones whose sound replaces its own, and what is done to both."""

    video: Path
    kind: str
    subject: Subject
    donor: Path
    place: int  # where the sound is moved, in frames
    settings: tuple[Setting, ...] = EVERYDAY_SETTINGS
    seconds: float = SECONDS


@dataclass(frozen=True)
class Tried:
    """Records of one video under one setting."""

    setting: Setting
    deblurred: float  # share of face crops
    records: list[Record]


def videos_of(table: Path, split: str, kind: str) -> list[tuple[Path, Subject]]:
    """The longest video of every identity in a CSV of videos, of this kind; at most so many.

    They are taken from sources, or families of generators, in turn. People of whom there is less than
    ``SHORTEST`` are left out: a lower frame rate could leave too little.
    """
    longest: dict[str, tuple[float, str, Subject]] = {}
    with table.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["split"] != split or kind_from(row["label"], row["generator"]) != kind:
                continue
            subject = Subject(row["file"], row["identity"] or row["file"], row["source"], row["generator"])
            found = float(row["seconds"]), row["file"], subject
            longest[subject.identity] = max(
                longest.get(subject.identity, found), found, key=lambda each: each[:2]
            )
    chosen = [subject for seconds, _, subject in longest.values() if seconds >= SHORTEST]
    group = _source if kind == GENUINE else _family
    return [(table.parent / subject.file, subject) for subject in _in_turn(chosen, group)[:MAX_PEOPLE]]


def _source(subject: Subject) -> str:
    return subject.source


def _family(subject: Subject) -> str:
    return family_of(subject.generator)


def _in_turn(subjects: Sequence[Subject], group: Callable[[Subject], str]) -> list[Subject]:
    """The first of each group, then the second of each, and so on."""
    rank: dict[str, int] = {}
    ranked = []
    for subject in sorted(subjects, key=lambda each: each.file):
        rank[group(subject)] = rank.get(group(subject), 0) + 1
        ranked.append((rank[group(subject)], group(subject), subject))
    return [subject for _, _, subject in sorted(ranked, key=lambda each: each[:2])]


def tasks_of(
    table: Path, split: str, settings: tuple[Setting, ...], max_people: int | None = None
) -> list[RobustnessTask]:
    """A task for each genuine video, which gets the sound of the next one, and for each generated one."""
    tasks = []
    for kind in (GENUINE, GENERATED):
        videos = videos_of(table, split, kind)[:max_people]
        donors = [path for path, _ in videos[1:]] + [path for path, _ in videos[:1]]
        for number, ((path, subject), donor) in enumerate(zip(videos, donors, strict=True)):
            tasks.append(RobustnessTask(path, kind, subject, donor, PLACES[number % 2], settings))
    return tasks


def judge_degraded(product: Product, task: RobustnessTask) -> list[Tried]:
    """One video under every setting, each decoded, tracked and judged as an upload would be."""
    data = task.video.read_bytes()
    other = read_footage(task.donor.read_bytes(), task.seconds) if task.kind == GENUINE else None
    found = list[Tried]()
    uploads: dict[str, bytes] = {}
    sounds: dict[tuple[int | None, float], Sound] = {}
    for setting in task.settings:
        how = setting.how
        if how.name not in uploads:
            uploads[how.name] = degraded(data, how, task.seconds)
        options = json.dumps({"deblur": setting.deblur}).encode()
        (answer,) = product.deblur.run([Request(uploads[how.name], options, how.name)])
        clip = Clip.from_bytes(answer)
        if clip.error is not None:
            failed = Record(task.subject, Treatment(task.kind), 0, "error", reasons=(clip.error["code"],))
            found.append(Tried(setting, 0.0, [failed]))
            continue
        heard = how.sound_rate, how.gain_db
        if other and heard not in sounds:
            sounds[heard] = recoded(other, how)
        records = _judged(
            product, decoded(clip), task, sounds.get(heard), found[0].records[0] if found else None
        )
        crops = sum(len(track.frames) for track in clip.tracks)
        found.append(Tried(setting, clip.deblur["frames"] / max(1, crops), records))
    return found


def recoded(footage: Footage, how: Degradation) -> Sound:
    """A video's sound as its own degraded file would bring it, int16 (samples,) at 16 kHz."""
    times = [0.0, max(1.0, len(footage.sound) / footage.sample_rate)]
    blank = Footage(BLANK.pictures, times, footage.sound, footage.sample_rate)
    heard = Degradation(how.name, sound_rate=how.sound_rate, gain_db=how.gain_db)
    with Decoder(degrade(blank, heard), Limits()) as decoder:
        for _ in decoder.frames():
            pass
        return decoder.audio


def _judged(
    product: Product, clip: Clip, task: RobustnessTask, sound: Sound | None, plain: Record | None
) -> list[Record]:
    """The clip itself and, with a sound to replace its own, with that and with its own sound moved.

    ``plain`` is the record of the video as it was: where its sound lies is known from there.
    """
    length = min(frames_of(clip), max((track.stop for track in clip.tracks), default=frames_of(clip)))
    itself = product.record(excerpt(clip, 0, length), task.subject, Treatment(task.kind))
    if sound is None:
        return [itself]
    late = task.place - own_place(plain or itself)
    made = {
        Treatment(OTHER_SPEAKER): with_sound_swapped(clip, 0, length, sound),
        Treatment(OUTSIDE, place=task.place, moved=late): with_sound_shifted(clip, 0, length, late),
    }
    others = [product.record(each, task.subject, how) for how, each in made.items() if each is not None]
    return [itself, *others]
