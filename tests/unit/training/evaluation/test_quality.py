"""The command on a few small clips with untrained weights: every table, its files and its figures."""

from __future__ import annotations

import json
from dataclasses import replace
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
from training.evaluation import robustness
from training.evaluation.calibration import Stated, reliability_of, stated_by
from training.evaluation.degradations import DEGRADATIONS
from training.evaluation.detection import detection_table, offset_row
from training.evaluation.judging import GENUINE, Product, Record

SAMPLES = Path(__file__).parents[4] / "samples"
COLUMNS = "file,split,label,generator,identity,source,seconds\n"
CLIPS = [
    ("a", "real", "", "ann"),
    ("b", "real", "", "ann"),
    ("c", "real", "", "bob"),
    ("d", "fake", "Wav2Lip(-GAN)", "ann"),
    ("e", "fake", "SadTalker (image-driven)", "bob"),
    ("f", "fake_audio", "dubbing TTS", "bob"),
]


def write_clips(folder: Path) -> Path:
    """Clips of 1.4 to 1.8 s cut from a rendered head, under the names and labels of CLIPS."""
    with Decoder((SAMPLES / "synchronised.mp4").read_bytes(), Limits()) as decoder:
        whole = np.concatenate(list(decoder.frames()))
        audio = decoder.audio
    faces = np.stack([cv2.resize(frame, (224, 224)) for frame in whole[:90]]).astype(np.uint8)
    lines = []
    for number, (name, label, generator, identity) in enumerate(CLIPS):
        frames = faces[number * 5 : number * 5 + 35 + 2 * number]
        sound = audio[number * 3200 : number * 3200 + len(frames) * 640]
        track = Track(0, 0, RawFrames(frames), np.zeros((len(frames), 4), np.float32))
        (folder / f"{name}.clip").write_bytes(Clip([track], sound).to_bytes())
        facts = {"split": "test", "label": label, "generator": generator, "identity": identity}
        facts |= {"source": "samples", "file": f"{name}.mp4", "clip": f"{name}.clip"}
        lines.append(json.dumps(facts | {"frames": len(frames), "face_px": 200.0}) + "\n")
    (folder / "manifest.jsonl").write_text("".join(lines))
    return folder


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("quality")
    write_checkpoints(folder)
    write_clips(folder)
    arguments = ["--splits", "test", "--clips", str(folder), "--checkpoints", str(folder), "--workers", "1"]
    tables = ["offsets", "detection", "calibration", "abstentions"]
    output = folder / "results"
    main([*arguments, "--output-dir", str(output), "--only", *tables, "--resamples", "20"])
    return output, json.loads((output / "quality.json").read_text())


def test_the_command_writes_tables_pictures_and_figures(found: tuple[Path, dict[str, Any]]) -> None:
    output, figures = found
    assert set(figures["splits"]["test"]) == {
        "offsets",
        "detection, whole clips",
        "detection, pieces of 2.2 s",
        "calibration",
        "abstentions",
    }
    assert "### Offset of genuine clips, `test`" in (output / "tables.md").read_text()
    pictures = {path.name for path in output.glob("*.png")}
    assert {"offset_by_length.png", "auc_by_shift_test.png", "auc_by_kind_test_whole.png"} <= pictures
    assert set(figures["checkpoints"]) == {"sync", "scoring", "deblur"}


def test_every_kind_has_a_row(found: tuple[Path, dict[str, Any]]) -> None:
    rows = {row["name"]: row for row in found[1]["splits"]["test"]["detection, whole clips"]}
    assert (rows["genuine"]["clips"], rows["genuine"]["identities"]) == (3, 2)
    assert rows["shift 15"]["clips"] == 3
    assert rows["shifted sound, 3 frames or more"]["clips"] == 39
    assert rows["swapped sound, same speaker"]["clips"] == 2
    assert rows["swapped sound, other speaker"]["clips"] == 3
    assert rows["every lip-sync and talking-head generator"]["clips"] == 2
    assert rows["synthetic voice: dubbing TTS"]["clips"] == 1
    assert 0 <= rows["shift 15"]["detection"]["auc"]["value"] <= 1


def test_shorter_clips_are_counted_as_left_out(found: tuple[Path, dict[str, Any]]) -> None:
    rows = {row["length"]: row for row in found[1]["splits"]["test"]["offsets"]}
    assert (rows["1 s"]["spans"], rows["1 s"]["left_out"]) == (3, 0)
    assert (rows["1.5 s"]["spans"], rows["1.5 s"]["left_out"]) == (1, 2)
    assert (rows["10 s"]["spans"], rows["10 s"]["left_out"]) == (0, 3)


def test_splits_that_nobody_has_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no clip of val"):
        main(["--splits", "val", "--clips", str(tmp_path), "--videos", str(tmp_path / "none.csv")])


def test_unknown_tables_are_refused() -> None:
    with pytest.raises(SystemExit):
        parse(["--only", "everything"])


def record(kind: str, identity: str, probability: float | None, **changes: Any) -> Record:
    facts: dict[str, Any] = {
        "verdict": "fake" if (probability or 0) > 0.5 else "real",
        "offset": 0,
        "reasons": (),
    }
    return Record("", kind, identity, 50, probability=probability, score=0.0, **(facts | changes))


def test_rows_of_known_records() -> None:
    silent = record(GENUINE, "c", None, verdict="inconclusive", reasons=("silence",))
    records = [record(GENUINE, "a", 0.1), record(GENUINE, "b", 0.6), silent]
    records += [record("shift 3", "a", 0.9), record("shift 2", "a", 0.3)]
    rows = {row.name: row for row in detection_table(records, 0)}
    assert rows[GENUINE].unjudged == 1
    assert rows[GENUINE].reasons == pytest.approx({"silence": 1 / 3}, abs=1e-4)
    assert rows[GENUINE].called_fake.value == pytest.approx(1 / 3, abs=1e-4)
    assert (rows["shift 3"].detection.auc.value, rows["shift 2"].detection.auc.value) == (1.0, 0.5)
    assert rows["shifted sound, 3 frames or more"].clips == 1


def test_offsets_count_identities_alike() -> None:
    spans = [record(GENUINE, "a", 0.1, offset=offset) for offset in (0, 1, 1)]
    row = offset_row("1 s", [*spans, record(GENUINE, "b", 0.1, offset=-4)], 0, 0)
    assert row.exact.value == pytest.approx(1 / 6, abs=1e-4)
    assert (row.within_1.value, row.within_1_unweighted) == (0.5, 0.75)


def test_calibration_leaves_out_voices_and_small_shifts() -> None:
    kinds = [GENUINE, "shift 2", "shift 3", "synthetic voice: x", "swapped sound, other speaker", "Wav2Lip"]
    stated = stated_by([record(kind, "a", 0.5) for kind in kinds])
    assert [each.kind for each in stated] == [GENUINE, "shifted", "swapped", "Wav2Lip"]
    assert reliability_of(stated, 10).error.value == 0.0  # half are manipulated, by weight
    off = reliability_of([Stated(0.9, GENUINE, "a"), Stated(0.9, "shifted", "b")], 10)
    assert off.error.value == pytest.approx(0.4)


def test_a_degraded_video_is_judged_as_an_upload(tmp_path: Path) -> None:
    product = Product(write_checkpoints(tmp_path))
    (tmp_path / "clips.csv").write_text(
        COLUMNS
        + f"{SAMPLES / 'synchronised.mp4'},val,real,,ann,x,7\n"
        + f"{SAMPLES / 'shifted.mp4'},val,real,,ann,x,3\n{SAMPLES / 'dubbed.mp4'},val,fake,W,bob,x,9\n"
        + f"{SAMPLES / 'snip.mp4'},val,real,,cy,x,0.2\n"
    )
    videos = robustness.longest_of_each(tmp_path / "clips.csv", "val")
    assert videos == [(SAMPLES / "synchronised.mp4", "ann")]
    blurred = next(each for each in DEGRADATIONS if each.name == "Gaussian blur")
    (task,) = robustness.tasks_of(videos, (blurred,))
    found = robustness.judge_degraded(product, replace(task, seconds=0.8))
    rows = {row.deblur: row for row in robustness.robustness_table(found, 5)}
    assert set(rows) == {"never", "auto", "always"}
    assert (rows["never"].restored, rows["always"].restored) == (0.0, 1.0)
    assert rows["never"].clips == 1
    assert len(found[0].records) == 4
