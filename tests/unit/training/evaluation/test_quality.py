"""The command on a few small clips with untrained weights: every table, its files and its figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from untrained import write_checkpoints

from benchmarks.quality import main, parse
from outofsync.clip import Clip, Track
from outofsync.frames import RawFrames
from outofsync.limits import Limits
from outofsync.media import Decoder
from training.clips import prepared
from training.evaluation.judging import (
    AS_FILED,
    GENUINE,
    HALF,
    INSIDE,
    OTHER_SPEAKER,
    OUTSIDE,
    PIECE,
    SAME_SPEAKER,
    WHOLE,
    Product,
)
from training.evaluation.material import judge_task, tasks_of

pytestmark = pytest.mark.slow  # a whole evaluation

SAMPLES = Path(__file__).parents[4] / "samples"
CLIPS = [
    ("a", "real", "", "ann"),
    ("b", "real", "", "ann"),
    ("c", "real", "", "bob"),
    ("d", "fake", "Wav2Lip(-GAN)", "ann"),
    ("e", "fake", "SadTalker (image-driven)", "bob"),
    ("f", "fake", "McGurk dub (real video)", "bob"),
    ("g", "fake_audio", "dubbing TTS", "bob"),
]


def write_clips(folder: Path) -> Path:
    """Clips of 1.4 s and more cut from a rendered head, the first one 4 s; names and labels of CLIPS."""
    with Decoder((SAMPLES / "synchronised.mp4").read_bytes(), Limits()) as decoder:
        whole = np.concatenate(list(decoder.frames()))
        audio = decoder.audio
    faces = np.stack([cv2.resize(frame, (224, 224)) for frame in whole[:110]]).astype(np.uint8)
    lines = []
    for number, (name, label, generator, identity) in enumerate(CLIPS):
        frames = faces[number * 5 : number * 5 + (35 + 2 * number if number else 100)]
        sound = audio[number * 3200 : number * 3200 + len(frames) * 640]
        track = Track(0, 0, RawFrames(frames), np.zeros((len(frames), 4), np.float32))
        (folder / f"{name}.clip").write_bytes(Clip([track], sound).to_bytes())
        facts = {"split": "test", "label": label, "generator": generator, "identity": identity}
        facts |= {"source": "samples", "file": f"{name}.mp4", "clip": f"{name}.clip"}
        lines.append(json.dumps(facts | {"frames": len(frames), "face_px": 200.0}) + "\n")
    (folder / "manifest.jsonl").write_text("".join(lines))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quality")
    write_checkpoints(folder)
    videos = [f"{name}.mp4,test,{label},,,samples,2,page of all" for name, label, _, _ in CLIPS]
    header = "file,split,label,generator,identity,source,seconds,page"
    (folder / "clips.csv").write_text("\n".join([header, *videos]))
    return write_clips(folder)


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Any]:
    arguments = ["--splits", "test", "--clips", str(folder), "--checkpoints", str(folder), "--workers", "1"]
    arguments += ["--videos", str(folder / "clips.csv"), "--resamples", "20", "--only", "figures"]
    main([*arguments, "--output-dir", str(folder / "results")])
    figures: dict[str, Any] = json.loads((folder / "results" / "quality.json").read_text())
    return figures


def rows_of(found: dict[str, Any], table: str) -> dict[str, dict[str, Any]]:
    """Rows of one table by their first cell."""
    return {str(next(iter(row.values()))): row for row in found["splits"]["test"][table]}


def test_the_command_writes_tables_pictures_and_figures(folder: Path, found: dict[str, Any]) -> None:
    tables = {"figures", "verdicts", "sources", "bands", "places", "generators", "errors"}
    assert set(found["splits"]["test"]) == {*tables, "calibration", "promise"}
    assert "### Figures, `test`" in (folder / "results" / "tables.md").read_text()
    pictures = {path.name for path in (folder / "results").glob("*.png")}
    assert pictures == {"generators_test.png", "reliability_test.png", "errors_test.png"}
    assert set(found["checkpoints"]) == {"sync", "scoring", "deblur"}


def test_every_kind_has_its_clips(found: dict[str, Any]) -> None:
    clips = {name: row["clips"] for name, row in rows_of(found, "verdicts").items()}
    # No other sound is long enough for the first clip.
    assert (clips["genuine"], clips[OTHER_SPEAKER], clips[SAME_SPEAKER]) == (3, 2, 1)
    assert (clips[INSIDE], clips[OUTSIDE], clips["generated picture"]) == (9, 9, 2)
    assert clips["real picture, another voice put to it"] == clips["real picture, synthetic voice"] == 1


def test_figures_stand_beside_floor_and_aim(found: dict[str, Any]) -> None:
    row = rows_of(found, "figures")["AUC, another speaker's sound"]
    assert (row["floor"], row["aim"], row["clips"], row["people"]) == ("0.96", "0.99", 2, 2)
    assert 0 <= row["value"]["value"] <= 1
    assert "page of all" in " ".join(rows_of(found, "figures"))


def test_a_genuine_clip_is_judged_in_every_way(folder: Path) -> None:
    clips = prepared(folder, split="test")
    task = next(task for task in tasks_of(clips, {}) if task.clip.facts["file"] == "a.mp4")
    records = judge_task(Product(folder), task)
    count = [(record.kind, record.treatment.cut) for record in records].count
    assert (count((GENUINE, WHOLE)), count((GENUINE, HALF)), count((GENUINE, PIECE))) == (1, 2, 1)
    assert (count((INSIDE, WHOLE)), count((AS_FILED, WHOLE)), count((OUTSIDE, WHOLE))) == (3, 3, 3)
    assert count((OUTSIDE, PIECE)) == 2
    lengths = {record.treatment.moved: record.frames for record in records if record.kind == OUTSIDE}
    assert all(frames in (55, 100 - abs(moved)) for moved, frames in lengths.items())
    assert records[0].subject.sharpness > 0


def test_val_is_looked_at_unless_another_split_is_named() -> None:
    assert parse([]).splits == ["val"]


def test_splits_that_nobody_has_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no clip of val"):
        main(["--clips", str(tmp_path), "--videos", str(tmp_path / "none.csv")])


def test_unknown_tables_are_refused() -> None:
    with pytest.raises(SystemExit):
        parse(["--only", "everything"])
