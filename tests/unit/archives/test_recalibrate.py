"""An archive of the ensemble with other bands: nothing else in it is changed."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from untrained import EMBEDDING, scoring_checkpoint

from archives.build import BuildError
from archives.recalibrate import recalibrate
from archives.repack import repack
from outofsync.checkpoints.store import Checkpoint
from outofsync_client.protocol import MANIFEST, SCORING_FILE, SUMS_FILE

FITTED = {"bands": [0.3, 0.5, 0.7], "bias": 0.25, "promise": {"likely_fake": [0.03, 0.01, 0.09]}}
PROMISE = {"alarms": [0.0, 0.0, 0.2], "fakes": [0.0, 0.0, 0.1]}


def write_archive(folder: Path, calibration: dict[str, Any] | None) -> Path:
    """An archive of the ensemble with hardly any code in it."""
    made = scoring_checkpoint(2 * EMBEDDING)
    replace(made, config={**made.config, "calibration": calibration}, about={"data": "none"}).save(
        folder / SCORING_FILE
    )
    with zipfile.ZipFile(folder / "made.zip", "w") as file:
        file.writestr("handler.py", "print('hello')\n")
        file.writestr("sync.safetensors", b"another network")
        file.write(folder / SCORING_FILE, SCORING_FILE)
        file.writestr(MANIFEST, json.dumps({"createdOn": "today", "model": {"modelVersion": "2.0"}}))
    repack(folder / "made.zip", folder / "ensemble.mar")
    return folder / "ensemble.mar"


def entries(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as file:
        return {name: file.read(name) for name in file.namelist()}


def calibration_of(archive: Path, **changes: Any) -> dict[str, Any]:
    digest = hashlib.sha256(entries(archive)[SCORING_FILE]).hexdigest()
    return {
        "name": "newsroom",
        "bands": [0.2, 0.6, 0.8],
        "promise": PROMISE,
        "scoring_sha256": digest,
        **changes,
    }


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write_archive(tmp_path, FITTED)


def test_only_the_bands_and_the_version_change(archive: Path, tmp_path: Path) -> None:
    calibration = calibration_of(archive)
    made = recalibrate(archive, calibration, "2.0.1", tmp_path / "out")
    assert made.name == "ensemble-2.0.1.mar"
    before, after = entries(archive), entries(made)
    assert list(before) == list(after)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {SCORING_FILE, MANIFEST, SUMS_FILE}
    assert json.loads(after[MANIFEST])["model"]["modelVersion"] == "2.0.1"
    (tmp_path / "after.safetensors").write_bytes(after[SCORING_FILE])
    old, new = Checkpoint.load(tmp_path / SCORING_FILE), Checkpoint.load(tmp_path / "after.safetensors")
    promise = {"likely_fake": PROMISE["alarms"], "fake": PROMISE["fakes"]}
    fitted = {**FITTED, "bands": [0.2, 0.6, 0.8], "name": "newsroom", "promise": promise}
    assert new.config == {**old.config, "calibration": fitted}
    assert new.about == {**old.about, "calibration": calibration}
    assert all(torch.equal(new.tensors[name], tensor) for name, tensor in old.tensors.items())


def test_the_same_calibration_gives_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    first, second = (
        recalibrate(archive, calibration_of(archive), "2.0.1", tmp_path / name) for name in ("one", "two")
    )
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scoring_sha256": "0" * 64}, "another scoring checkpoint"),
        ({"bands": [0.6, 0.2, 0.8]}, "three ascending probabilities"),
        ({"bands": [0.2, 0.8]}, "three ascending probabilities"),
        ({"bands": "high"}, "cannot be used"),
        ({"bands": None}, "cannot be used"),
        ({"promise": {}}, "cannot be used"),
    ],
)
def test_what_is_no_calibration_of_it_is_refused(
    archive: Path, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(BuildError, match=said):
        recalibrate(archive, calibration_of(archive, **changes), "2.0.1", tmp_path / "out")


def test_there_must_be_bands_to_shift(tmp_path: Path) -> None:
    archive = write_archive(tmp_path, None)
    with pytest.raises(BuildError, match="no calibration"):
        recalibrate(archive, calibration_of(archive), "2.0.1", tmp_path / "out")


def test_what_is_no_archive_of_the_ensemble_is_refused(archive: Path, tmp_path: Path) -> None:
    calibration = calibration_of(archive)
    with pytest.raises(BuildError, match="numbers and dots"):
        recalibrate(archive, calibration, "two", tmp_path / "out")
    archive.write_bytes(b"no archive")
    with pytest.raises(BuildError, match="no archive of the ensemble"):
        recalibrate(archive, calibration, "2.0.1", tmp_path / "out")
