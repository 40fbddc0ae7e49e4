"""Another coding of a video is found; moved sound and lips made anew are not taken for copies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from unit.cluster.test_store import opened, outcome

from outofsync.clip import Clip, Track
from outofsync.constants import FACE_SIZE, MOUTH_CENTRE, SAMPLE_RATE, SAMPLES_PER_FRAME
from outofsync.errors import ErrorCode, OutOfSyncError
from outofsync.frames import RawFrames
from outofsync_cluster.fingerprints import MISSING, PLACES, fingerprint, fingerprint_of
from outofsync_cluster.near_duplicates import (
    TABLE_FILE,
    NearDuplicate,
    near_duplicates,
    write_near_duplicates,
)

FRAMES = 75
Frames = NDArray[np.uint8]
Sound = NDArray[np.int16]


def smooth(random: np.random.Generator, side: int, size: int) -> NDArray[np.float32]:
    """A random picture without fine detail."""
    coarse = random.uniform(0, 255, (side, side, 3)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)


def film(face: int, speech: int, lips: int | None = None) -> tuple[Frames, Sound]:
    """Three seconds of somebody, whose mouth moves as they speak; other lips say something else."""
    look = smooth(np.random.default_rng(face), 14, FACE_SIZE)
    says = np.random.default_rng(speech if lips is None else lips)
    frames = np.repeat(look[None], FRAMES, 0)
    x, y = MOUTH_CENTRE
    for first in range(0, FRAMES, 5):
        mouth = frames[first : first + 5, y - 25 : y + 25, x - 30 : x + 30]
        mouth += smooth(says, 10, 60)[:50] - 128
    voice = np.random.default_rng(speech)
    time = np.arange(SAMPLE_RATE // 10) / SAMPLE_RATE
    tones = [np.sin(2 * np.pi * pitch * time) for pitch in voice.uniform(150, 3000, 10 * FRAMES // 25)]
    sound = np.concatenate(tones) * 8000 + voice.normal(0, 30, FRAMES * SAMPLES_PER_FRAME)
    return frames.clip(0, 255).astype(np.uint8), sound.astype(np.int16)


def coded(film: tuple[Frames, Sound]) -> tuple[Frames, Sound]:
    """Another size, a poor coding, half the volume."""
    frames, sound = film
    small = [cv2.resize(frame, (160, 160), interpolation=cv2.INTER_AREA) for frame in frames]
    poor = [
        cv2.imdecode(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_COLOR)
        for frame in small
    ]
    noise = np.random.default_rng(9).normal(0, 40, len(sound))
    again = [cv2.resize(np.asarray(frame), (FACE_SIZE, FACE_SIZE)) for frame in poor]
    return np.asarray(again, np.uint8), (sound * 0.5 + noise).astype(np.int16)


def late(film: tuple[Frames, Sound], seconds: float) -> tuple[Frames, Sound]:
    frames, sound = film
    return frames, np.roll(sound, round(seconds * SAMPLE_RATE))


def printed(film: tuple[Frames, Sound]) -> str:
    frames, sound = film
    track = Track(0, 0, RawFrames(frames), np.tile(np.array([0, 0, 99, 99], np.float32), (len(frames), 1)))
    return fingerprint([track], sound)


def found(*films: tuple[Frames, Sound]) -> list[NearDuplicate]:
    prints = [printed(film) for film in films]
    durations = [len(film[1]) / SAMPLE_RATE for film in films]
    return list(near_duplicates([str(number) for number in range(len(films))], prints, durations))


ORIGINAL = film(face=1, speech=1)


def test_another_coding_is_a_copy() -> None:
    (pair,) = found(film(5, 5), ORIGINAL, film(6, 6), coded(ORIGINAL))
    assert (pair.uri, pair.near_duplicate_of, pair.copy) == ("3", "1", True)


@pytest.mark.parametrize("seconds", [0.12, 0.24, -0.4])
def test_moved_sound_is_no_copy(seconds: float) -> None:
    assert not any(pair.copy for pair in found(ORIGINAL, late(coded(ORIGINAL), seconds)))


def test_lips_made_anew_are_alike_and_no_copy() -> None:
    (pair,) = found(ORIGINAL, coded(film(face=1, speech=1, lips=7)))
    assert not pair.copy
    assert pair.mouth is not None
    assert pair.mouth > 12


def test_what_somebody_else_says_or_the_same_person_at_another_time_is_not_alike() -> None:
    assert found(ORIGINAL, film(face=1, speech=2), film(face=2, speech=1)) == []


def test_another_length_is_not_alike() -> None:
    frames, sound = ORIGINAL
    cut = len(frames) - 10
    assert found(ORIGINAL, (frames[:cut], sound[: cut * SAMPLES_PER_FRAME])) == []


def test_the_first_of_several_stands_for_them_whatever_is_between() -> None:
    others = [film(face=number, speech=number) for number in range(10, 20)]
    pairs = found(ORIGINAL, *others, coded(ORIGINAL), late(ORIGINAL, 0.4), ORIGINAL)
    assert [(pair.uri, pair.near_duplicate_of, pair.copy) for pair in pairs if pair.copy] == [
        ("11", "0", True),
        ("13", "0", True),
    ]


def test_what_is_not_there_has_no_hash() -> None:
    frames, sound = ORIGINAL
    boxes = np.zeros((20, 4), np.float32)
    early = fingerprint([Track(0, 0, RawFrames(frames[:20]), boxes)], np.zeros_like(sound))
    assert early.count(MISSING) == PLACES + 2 * (PLACES - 1), "a face in the first fifth, and no sound"
    assert list(near_duplicates(["a", "b"], [early, early], [3.0, 3.0])) == [], "too little to tell"
    assert fingerprint([], np.zeros(0, np.int16)) == MISSING * 3 * PLACES
    failed = OutOfSyncError(ErrorCode.NO_AUDIO, "no sound").to_dict()
    assert fingerprint_of(Clip.failed(failed).to_bytes()) is None
    assert fingerprint_of(b"no clip") is None


def test_many_videos_of_one_look_do_not_multiply() -> None:
    """Five hundred still pictures with different sound: nobody compares each with each."""
    frames, _ = film(face=3, speech=3)
    first = printed((frames, film(3, 3)[1]))
    rest = [first[:32] + f"{number * 2654435761 % 2**64:016x}" + first[48:] for number in range(500)]
    pairs = list(near_duplicates([str(number) for number in range(500)], rest, [3.0] * 500))
    assert len(pairs) == 499


def test_the_table_of_a_folder_is_of_all_its_runs(tmp_path: Path) -> None:
    for name, seen in (("a", ORIGINAL), ("b", film(8, 8)), ("c", coded(ORIGINAL)), ("served", None)):
        store = opened(tmp_path)
        store.add(replace(outcome(name), perceptual_hash=printed(seen) if seen else None))
        store.write()
    assert write_near_duplicates(store.folder) == 1
    (row,) = pq.read_table(tmp_path / TABLE_FILE).to_pylist()
    assert (row["uri"], row["near_duplicate_of"], row["copy"]) == ("c", "a", True)
