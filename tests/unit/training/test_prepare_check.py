"""A check moves sound, drops what fits nowhere, and can be repeated with another network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from untrained import sync_checkpoint

from outofsync.clip import Clip, Track
from outofsync.frames import RawFrames
from training.clips import prepared
from training.preparation.agreement import Rule
from training.preparation.check import ScoreCache, check, note_set
from training.preparation.ledger import Entry, append, read_ledger
from training.preparation.run import Preparation, manifest_of, skipped_of
from training.preparation.shards import ShardWriter, place
from training.preparation.sources import Source

FRAMES = 10
Answers = dict[int, tuple[int, int, float]]  # sound taken to be late by → windows, best delay, height


class Folder:
    """A prepared folder, and what a network that was asked before has said about it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.network = path / "sync.safetensors"
        sync_checkpoint().save(self.network)
        self._scores = ScoreCache(path, self.network)
        self._shards = ShardWriter(path)

    def add(self, name: str, answers: Answers, **facts: Any) -> None:
        """One clip of ten frames whose sound is as long."""
        pictures = np.zeros((FRAMES, 224, 224, 3), np.uint8)
        track = Track(0, 0, RawFrames(pictures), np.zeros((FRAMES, 4), np.float32))
        clip = Clip([track], np.arange(FRAMES * 640, dtype=np.int16))
        known = {"split": "train", "label": "real", "generator": "", "identity": "ann", "source": "tests"}
        entry = {"file": name, **known, **facts, "frames": FRAMES} | self._shards.append(clip.to_bytes())
        append(manifest_of(self.path), entry)
        for late, (windows, best, height) in answers.items():
            delays = height * np.exp(-(((np.arange(-15, 16) - best) / 1.5) ** 2))
            answer = {"clip": place(entry), "late": late, "frames": FRAMES - abs(late), "windows": windows}
            ledger = self.path / f"agreement-{self._scores.sha256[:12]}.jsonl"
            append(ledger, answer | {"delays": delays.tolist()})

    def check(self, nowhere: float = 9.0, **options: Any) -> dict[str, int]:
        scores = ScoreCache(self.path, self.network)
        return dict(check(self.path, scores, Rule(12.0, nowhere, scores.sha256), **options))

    def entry(self, name: str) -> Entry:
        (found,) = (entry for entry in read_ledger(manifest_of(self.path)) if entry["file"] == name)
        return found


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_late_sound_is_moved_when_a_clip_is_read(folder: Folder) -> None:
    folder.add("late.mp4", {0: (200, 3, 4.0), 3: (190, 0, 4.0)})
    assert folder.check() == {"moved": 1}
    entry = folder.entry("late.mp4")
    assert (entry["sound_late"], entry["best_delay"], entry["frames"]) == (3, 3, FRAMES - 3)
    (clip,) = prepared(folder.path, split="train")
    frames, audio = clip.read()
    assert (len(frames), audio.size, audio[0]) == (7, 7 * 640, 3 * 640)


def test_a_move_that_a_second_look_does_not_bear_out_is_taken_back(folder: Folder) -> None:
    folder.add("odd.mp4", {0: (200, 3, 4.0), 3: (190, 5, 4.0)})
    assert folder.check() == {"unchecked": 1}
    assert (folder.entry("odd.mp4")["sound_late"], folder.entry("odd.mp4")["frames"]) == (0, FRAMES)


def test_what_fits_nowhere_is_dropped_and_listed_until_a_check_says_otherwise(folder: Folder) -> None:
    folder.add("dubbed.mp4", {0: (200, 5, 0.1)})
    folder.add("fine.mp4", {0: (200, 0, 4.0)})
    assert folder.check() == {"not_in_sync": 1, "in_step": 1}
    (entry,) = read_ledger(skipped_of(folder.path))
    assert (entry["file"], entry["code"]) == ("dubbed.mp4", "not_in_sync")
    assert [clip.facts["file"] for clip in prepared(folder.path, split="train")] == ["fine.mp4"]
    assert folder.check() == {"not_in_sync": 1, "in_step": 1}
    assert folder.check(nowhere=0.0) == {"as_group": 1, "in_step": 1}
    assert read_ledger(skipped_of(folder.path)) == []
    assert "code" not in folder.entry("dubbed.mp4")


def test_a_dropped_clip_is_not_prepared_again(folder: Folder, tmp_path: Path) -> None:
    folder.add("dubbed.mp4", {0: (200, 5, 0.1)})
    folder.check()
    source = Source(tmp_path / "dubbed.mp4", "dubbed.mp4", "train")
    assert Preparation(folder.path).run([source]) == (0, 0)


def test_short_clips_are_moved_with_the_clips_of_the_same_person(folder: Folder) -> None:
    for number in range(6):
        folder.add(f"{number}.mp4", {0: (26, -4, 4.0), -4: (22, 0, 4.0)})
    folder.add("other.mp4", {0: (26, -4, 4.0)}, identity="bob")
    assert folder.check() == {"as_group": 6, "unchecked": 1}
    assert (folder.entry("0.mp4")["sound_late"], folder.entry("other.mp4")["sound_late"]) == (-4, 0)


def test_only_genuine_clips_of_the_named_splits_are_checked(folder: Folder) -> None:
    folder.add("test.mp4", {}, split="test")
    folder.add("fake.mp4", {}, label="fake")
    folder.add("val.mp4", {0: (200, 5, 0.1)}, split="val")
    assert folder.check() == {}
    assert folder.check(splits=["train", "val"]) == {"not_in_sync": 1}


def test_a_set_that_is_late_is_asked_about_anew(folder: Folder) -> None:
    folder.add("anchor.mp4", {0: (200, 5, 0.1), 2: (200, 0, 4.0)})
    assert folder.check() == {"not_in_sync": 1}
    assert note_set(folder.path, "tests", 2.0) == 1
    assert folder.check() == {"in_step": 1}
    entry = folder.entry("anchor.mp4")
    assert (entry["sound_late"], entry["set_late"]) == (0, 2.0)


def test_a_network_is_asked_once(folder: Folder) -> None:
    folder.add("short.mp4", {})
    assert folder.check() == {"unchecked": 1}
    (folder.path / "shard-00000.clips").unlink()
    assert folder.check() == {"unchecked": 1}
