"""The calibration's cases: every clip as it is and in pieces, moved, and with the sound of others."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from untrained import write_checkpoints

from outofsync.checkpoints.store import Checkpoint
from outofsync.clip import Clip, Track
from outofsync.frames import RawFrames
from training import regressors
from training.calibration import GENERATED, GENUINE, VOICE, Case
from training.cases import Networks, cases_of
from training.preparation.ledger import append
from training.preparation.run import manifest_of
from training.preparation.shards import ShardWriter

pytestmark = pytest.mark.slow  # every clip is judged by whole networks

FRAMES = 70


def add(folder: Path, name: str, *, split: str = "val", **facts: str) -> None:
    """A clip of noise under a voice of noise."""
    random = np.random.default_rng(len(name))
    pictures = random.integers(0, 255, (FRAMES, 224, 224, 3), np.uint8)
    track = Track(0, 0, RawFrames(pictures), np.zeros((FRAMES, 4), np.float32))
    clip = Clip([track], random.normal(0, 3000, FRAMES * 640).astype(np.int16))
    known = {"split": split, "label": "real", "generator": "", "source": "tests", "sha256": "0" * 64}
    entry = {"file": name, **known, **facts, "frames": FRAMES}
    append(manifest_of(folder), entry | ShardWriter(folder).append(clip.to_bytes()))


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clips = tmp_path_factory.mktemp("clips")
    add(clips, "ann.mp4", identity="ann")
    add(clips, "bob.mp4", identity="bob")
    add(clips, "made.mp4", identity="carl", label="fake", generator="Maker")
    add(clips, "learnt.mp4", identity="dora", split="train")
    return clips


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoints(tmp_path_factory.mktemp("networks"))


@pytest.fixture(scope="module")
def cases(clips: Path, networks: Path) -> list[Case]:
    return cases_of(
        Networks(*(networks / f"{name}.safetensors" for name in ("sync", "scoring", "face"))),
        clips,
        workers=1,
    )


def test_nobody_of_another_split_is_among_the_cases(cases: list[Case]) -> None:
    assert {case.group for case in cases} == {"ann", "bob", "carl"}


def test_sound_moved_inside_the_window_leaves_a_clip_genuine(cases: list[Case]) -> None:
    ways = Counter((case.group, case.way) for case in cases)
    assert ways["ann", GENUINE] > 3  # as it is, in pieces, and each moved
    assert ways["ann", VOICE] > 0
    assert ways["ann", "moved"] > 0
    assert not any(case.moved for case in cases if case.side == GENUINE)


def test_generated_clips_are_taken_as_they_are(cases: list[Case]) -> None:
    made = [case for case in cases if case.group == "carl"]
    assert {(case.side, case.kind) for case in made} == {(GENERATED, "Maker")}


def test_a_case_holds_the_whole_and_its_segments(cases: list[Case]) -> None:
    for case in cases:
        assert len(case.evidence) == 2
        levels = [segment.level for segment in case.evidence]
        assert min(levels) - 0.5 <= case.whole.level <= max(levels) + 0.5
        assert case.whole.generated == pytest.approx(np.mean([part.generated for part in case.evidence]))
        assert case.whole.generated != 0


def test_the_calibration_alone_is_fitted_anew(
    clips: Path, networks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regressors and projection stay as they are, bit for bit."""
    named = {name: networks / f"{name}.safetensors" for name in ("sync", "scoring", "face")}
    made = tmp_path / "scoring.safetensors"
    words = ["--clips", clips, "--sync", named["sync"], "--face", named["face"], "--workers", 1]
    words += ["--regressors", named["scoring"], "--output", made]
    monkeypatch.setattr(sys, "argv", ["regressors", *map(str, words)])
    regressors.main()
    before, after = (Checkpoint.load(path, kind="scoring") for path in (named["scoring"], made))
    assert before.tensors.keys() == after.tensors.keys()
    assert all(torch.equal(tensor, after.tensors[name]) for name, tensor in before.tensors.items())
    assert {part["names"][0] for part in after.config["calibration"]["parts"].values()} == {
        "delay_score",
        "generated",
    }
