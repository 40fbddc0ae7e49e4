"""A calibration becomes a version of the weights that judged, and is rolled out as every other."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from command_runner import outofsync
from pretended_torchserve import NEW, OWN, Site
from untrained import EMBEDDING, scoring_checkpoint

from archives.repack import repack, write_sums
from outofsync_client.calibration import (
    Bands,
    Calibration,
    OtherProbabilitiesError,
    ScoringCheckpoint,
    UnknownCheckpointError,
    Weights,
    fit,
)
from outofsync_client.calibration._own import OwnVideo, OwnVideos
from serving.rollout import ArchiveError, BuildFailedError
from serving.settings import ROOT

SYNC = b"\x02\0\0\0\0\0\0\0{}"  # a safetensors file that holds nothing


@pytest.fixture
def weights(site: Site, tmp_path: Path) -> Weights:
    """Those of version 2.0, which serves."""
    made = scoring_checkpoint(2 * EMBEDDING)
    calibration = {"bands": [0.3, 0.6, 0.9]}
    path = tmp_path / "scoring.safetensors"
    replace(made, config={**made.config, "calibration": calibration}).save(path)
    manifest = {"createdOn": "today", "model": {"modelName": "ensemble", "modelVersion": NEW}}
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as file:
        file.writestr("handler.py", "print('hello')\n")
        file.writestr("sync.safetensors", SYNC)
        file.write(path, path.name)
        file.writestr("MAR-INF/MANIFEST.json", json.dumps(manifest))
    repack(tmp_path / "made.zip", site.store / f"ensemble-{NEW}.mar")
    write_sums(site.store)
    site.models.register(NEW)
    site.models.promote(NEW)
    return Weights(hashlib.sha256(SYNC).hexdigest(), hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.fixture
def calibration(site: Site, weights: Weights) -> Calibration:
    return fitted(site, weights, 0.7)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"a video")
    return path


def fitted(site: Site, weights: Weights, probability: float) -> Calibration:
    """What twenty people with a video of this probability each bear out."""
    videos = [OwnVideo(Path(f"{place}.mp4"), str(place), probability, weights) for place in range(20)]
    own = OwnVideos(tuple(videos), (), "2025-11-26T09:00:00+00:00")
    return fit(own, site.models.scoring(weights), name="newsroom")


def scoring(site: Site, version: str) -> ScoringCheckpoint:
    return ScoringCheckpoint.of_archive(site.store / f"ensemble-{version}.mar")


def test_the_bands_that_judged_are_found(site: Site, weights: Weights) -> None:
    checkpoint = site.models.scoring(weights)
    assert (checkpoint.sha256, checkpoint.bands) == (weights.scoring_sha256, Bands(0.3, 0.6, 0.9))
    for other in (Weights("", ""), replace_sync(weights)):
        with pytest.raises(UnknownCheckpointError, match="no archive in"):
            site.models.scoring(other)


def replace_sync(weights: Weights) -> Weights:
    return weights._replace(sync_sha256="0" * 64)


@pytest.mark.slow
def test_it_is_rolled_out_and_back(site: Site, calibration: Calibration, clip: Path) -> None:
    said: list[str] = []
    for _ in range(2):
        assert site.models.roll_out(calibration, clips=[clip], project=ROOT, say=said.append) == "2.0.1"
    assert site.torchserve.serving() == (OWN, "2.0.1")
    assert "1 videos the same" in " ".join(said)
    assert scoring(site, "2.0.1").bands == calibration.bands
    assert scoring(site, "2.0.1").name == "newsroom"
    site.models.rollback()
    assert site.torchserve.serving() == (OWN, NEW)


@pytest.mark.slow
def test_the_next_calibration_is_the_next_version(
    site: Site, weights: Weights, calibration: Calibration
) -> None:
    assert site.models.build_calibrated(calibration, project=ROOT) == "2.0.1"
    assert site.models.build_calibrated(calibration, project=ROOT) == "2.0.1"
    assert site.models.build_calibrated(fitted(site, weights, 0.8), project=ROOT) == "2.0.2"
    assert site.models.build_calibrated(fitted(site, weights, 0.9), "7.0", project=ROOT) == "7.0"
    calibrated = weights._replace(scoring_sha256=scoring(site, "2.0.1").sha256)
    again = fitted(site, calibrated, 0.8)
    assert (again.before, again.before_name) == (calibration.bands, "newsroom")
    assert again.bands == fitted(site, weights, 0.8).bands, "what was fitted before has no say"
    assert site.models.build_calibrated(again, project=ROOT) == "2.0.3"


@pytest.mark.parametrize(("probability", "said"), [(0.5, "differs by 0.250"), (None, "no probability")])
@pytest.mark.slow
def test_nothing_is_promoted_that_judges_otherwise(
    site: Site, calibration: Calibration, clip: Path, probability: float | None, said: str
) -> None:
    site.torchserve.probabilities["2.0.1"] = probability
    with pytest.raises(OtherProbabilitiesError, match=said):
        site.models.roll_out(calibration, clips=[clip], project=ROOT)
    assert site.torchserve.serving() == (OWN, NEW)


def test_an_altered_archive_is_not_given_new_sums(site: Site, calibration: Calibration) -> None:
    archive = site.store / f"ensemble-{NEW}.mar"
    archive.write_bytes(archive.read_bytes().replace(b"hello", b"HELLO"))
    with pytest.raises(ArchiveError, match="was altered"):
        site.models.build_calibrated(calibration, project=ROOT)


def test_what_is_no_version_is_a_sentence(site: Site, calibration: Calibration) -> None:
    with pytest.raises(BuildFailedError, match="numbers and dots"):
        site.models.build_calibrated(calibration, "two", project=ROOT)


def test_the_command_builds_it_step_by_step(site: Site, calibration: Calibration, tmp_path: Path) -> None:
    written = tmp_path / "calibration.json"
    calibration.write(written)
    places = ["--state", str(site.state), "--model-store", str(site.store), "--project", str(ROOT)]
    done = outofsync("models", "build", "--calibration", str(written), *places)
    assert done.exit_code == 0, done.stderr
    assert "models register 2.0.1" in done.stdout
    for words in ([], ["--version", "3.0"], ["--calibration", str(written), "--checkpoint", str(written)]):
        refused = outofsync("models", "build", *words, *places)
        assert refused.exit_code == 3
        assert "--calibration" in refused.stderr
