"""What is left when a video was compressed, blurred, resized or re-timed, with deblurring and without."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from outofsync.clip import Clip
from outofsync.deblur.sharpness import blurry_frames
from outofsync.limits import Limits
from outofsync.media import Decoder
from outofsync.nodes import Request
from training.evaluation.degradations import DEGRADATIONS, Degradation, Footage, degrade, read_footage
from training.evaluation.detection import detect
from training.evaluation.excerpts import Sound, decoded, excerpt, frames_of, shifted, swapped
from training.evaluation.judging import GENUINE, Product, Record
from training.evaluation.material import OTHER_SPEAKER, shift_kind
from training.evaluation.statistics import Figure, share

SECONDS = 4.0  # of each video
SHORTEST = 1.0  # seconds
SHIFTS = (5, 10)  # frames
RESTORED_AT_ONCE = 64  # frames
BLANK: Footage = Footage([np.full((64, 64, 3), 128, np.uint8)] * 2, [0.0, 1.0], np.zeros(0, np.int16), 44_100)


@dataclass(frozen=True)
class RobustnessTask:
    """A genuine video, whose sound replaces its own, and what is done to both."""

    video: Path
    identity: str
    donor: Path
    degradations: tuple[Degradation, ...] = DEGRADATIONS
    seconds: float = SECONDS


@dataclass(frozen=True)
class Degraded:
    """Records of one degraded video under one setting of ``deblur``."""

    degradation: str
    deblur: str
    restored: float  # share of face crops that were deblurred
    records: list[Record]


@dataclass(frozen=True)
class RobustnessRow:
    """One degradation under one setting of ``deblur``."""

    degradation: str
    deblur: str
    clips: int
    auc: Figure
    within_1: Figure
    false_alarms: Figure
    restored: float
    unjudged: int  # genuine and manipulated clips without a probability


def longest_of_each(table: Path, split: str) -> list[tuple[Path, str]]:
    """The longest genuine video of every identity in a CSV of videos, and who it is.

    People of whom there is less than ``SHORTEST`` are left out: a lower frame rate could leave too little.
    """
    longest: dict[str, tuple[float, Path]] = {}
    with table.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["split"] != split or row["label"] != "real":
                continue
            identity = row["identity"] or row["file"]
            found = float(row["seconds"]), table.parent / row["file"]
            longest[identity] = max(longest.get(identity, found), found)
    return [(path, identity) for identity, (seconds, path) in sorted(longest.items()) if seconds >= SHORTEST]


def tasks_of(
    videos: Sequence[tuple[Path, str]], degradations: tuple[Degradation, ...] = DEGRADATIONS
) -> list[RobustnessTask]:
    """A task for each video; it gets the sound of the next one."""
    donors = [path for path, _ in videos[1:]] + [path for path, _ in videos[:1]]
    return [
        RobustnessTask(path, identity, donor, degradations)
        for (path, identity), donor in zip(videos, donors, strict=True)
    ]


def judge_degraded(product: Product, task: RobustnessTask) -> list[Degraded]:
    """Every degradation of one video, each decoded, tracked and judged as an upload would be."""
    footage = read_footage(task.video.read_bytes(), task.seconds)
    other = read_footage(task.donor.read_bytes(), task.seconds)
    sounds: dict[tuple[str, int], Sound] = {}
    found = []
    for how in task.degradations:
        coding = how.sound_codec, how.sound_bits
        if coding not in sounds:
            sounds[coding] = recoded(other, how)
        options = json.dumps({"deblur": "never"}).encode()
        (data,) = product.deblur.run([Request(degrade(footage, how), options, how.name)])
        never = _judged(product, Clip.from_bytes(data), sounds[coding], task.identity)
        found.append(Degraded(how.name, "never", 0.0, never))
        for mode in ("auto", "always") if how.blurs else ("auto",):
            clip = Clip.from_bytes(data)
            restored = restore(product, clip, mode)
            records = _judged(product, clip, sounds[coding], task.identity) if restored else never
            found.append(Degraded(how.name, mode, restored, records))
    return found


def recoded(footage: Footage, how: Degradation) -> Sound:
    """A video's sound as its own degraded file would bring it; the picture does not matter."""
    times = [0.0, max(1.0, len(footage.sound) / footage.sample_rate)]
    blank = Footage(BLANK.pictures, times, footage.sound, footage.sample_rate)
    plain = Degradation(how.name, sound_codec=how.sound_codec, sound_bits=how.sound_bits)
    with Decoder(degrade(blank, plain), Limits()) as decoder:
        for _ in decoder.frames():
            pass
        return decoder.audio


def restore(product: Product, clip: Clip, mode: str) -> float:
    """Deblur a clip as the first node does: the blurry frames for ``auto``, else all; the share restored."""
    restorer = product.restorer
    restored = total = 0
    for track in clip.tracks:
        wanted = np.ones(len(track.frames), bool)
        if mode == "auto":
            wanted = blurry_frames(track.sharpness, restorer.blurry_below)
        numbers = np.flatnonzero(wanted).tolist()
        for first in range(0, len(numbers), RESTORED_AT_ONCE):
            group = numbers[first : first + RESTORED_AT_ONCE]
            frames = np.concatenate([track.frames.read(number, number + 1) for number in group])
            for number, frame in zip(group, restorer.restore(frames), strict=True):
                track.frames.replace(number, frame)
        restored, total = restored + len(numbers), total + len(track.frames)
    return restored / total if total else 0.0


def _judged(product: Product, clip: Clip, other: Sound, identity: str) -> list[Record]:
    """The clip itself, shifted, and with another's sound. Raises RuntimeError for one that was not read."""
    if clip.error is not None:
        raise RuntimeError(f"a degraded video could not be read: {clip.error['message']}")
    clip = decoded(clip)
    length = min(frames_of(clip), max((track.stop for track in clip.tracks), default=frames_of(clip)))
    made: dict[str, Clip | None] = {GENUINE: excerpt(clip, 0, length)}
    whole = excerpt(clip, 0, length)
    for shift in SHIFTS:
        made[shift_kind(shift)] = shifted(whole, 0, length, shift)
    made[OTHER_SPEAKER] = swapped(whole, 0, length, other)
    return [product.record(each, "", kind, identity) for kind, each in made.items() if each is not None]


def robustness_table(found: Sequence[Degraded], resamples: int) -> list[RobustnessRow]:
    """A row for each degradation and setting, in the order they were made."""
    rows = []
    for name, mode in dict.fromkeys((each.degradation, each.deblur) for each in found):
        mine = [each for each in found if (each.degradation, each.deblur) == (name, mode)]
        records = [record for each in mine for record in each.records]
        genuine = [record for record in records if record.kind == GENUINE]
        fakes = [record for record in records if record.kind != GENUINE]
        calibrated = any(record.probability is not None for record in records)
        people = [record.identity for record in genuine]
        near = [record.offset is not None and abs(record.offset) <= 1 for record in genuine]
        rows.append(
            RobustnessRow(
                name,
                mode,
                len(genuine),
                detect(fakes, genuine, resamples, calibrated=calibrated).auc,
                share(near, people, resamples),
                share([record.called_fake for record in genuine], people, resamples),
                round(float(np.mean([each.restored for each in mine])), 4),
                sum((record.probability if calibrated else record.score) is None for record in records),
            )
        )
    return rows
