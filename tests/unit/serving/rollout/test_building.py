"""New weights become archives of a version, and what is registered stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from pretended_torchserve import NEW, Site
from untrained import EMBEDDING, scoring_checkpoint, sync_checkpoint

from serving.rollout import BuildFailedError, StepRefusedError
from serving.settings import ROOT


@pytest.fixture
def weights(tmp_path: Path) -> list[Path]:
    """Two files whose names say nothing."""
    files = [tmp_path / "one.safetensors", tmp_path / "two.safetensors"]
    sync_checkpoint().save(files[0])
    scoring_checkpoint(2 * EMBEDDING).save(files[1])
    return files


@pytest.mark.slow
def test_weights_under_any_name_become_a_version(site: Site, weights: list[Path]) -> None:
    for _ in range(2):
        assert site.models.build(weights, NEW, project=ROOT) == ("ensemble-2.0.mar",)
    pipeline = site.models.verify(NEW)
    assert pipeline.ensemble.version == NEW
    assert pipeline.deblur == site.models.record().pipelines["0.1.0"].deblur
    assert not list(site.store.glob("*.partial"))


@pytest.mark.slow
def test_a_registered_version_is_not_built_over(site: Site, weights: list[Path]) -> None:
    site.models.build(weights, NEW, project=ROOT)
    site.models.register(NEW)
    before = (site.store / "ensemble-2.0.mar").read_bytes()
    site.models.build(weights, NEW, project=ROOT)
    sync_checkpoint().save(weights[0])  # drawn anew
    with pytest.raises(StepRefusedError, match="a version of their own"):
        site.models.build(weights, NEW, project=ROOT)
    assert (site.store / "ensemble-2.0.mar").read_bytes() == before


@pytest.mark.parametrize("version", ["two", "2.0/../..", ""])
@pytest.mark.slow
def test_what_is_no_version_is_a_sentence(site: Site, weights: list[Path], version: str) -> None:
    with pytest.raises(BuildFailedError, match="numbers and dots"):
        site.models.build(weights, version, project=ROOT)


def test_missing_weights_are_named(site: Site, weights: list[Path]) -> None:
    with pytest.raises(BuildFailedError, match=r"scoring\.safetensors is missing"):
        site.models.build(weights[:1], NEW, project=ROOT)


def test_what_is_no_checkpoint_is_a_sentence(site: Site, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(b"\x80\x02}.")
    with pytest.raises(BuildFailedError, match=r"weights\.pth is no checkpoint of this project.*import"):
        site.models.build([tmp_path / "weights.pth"], NEW, project=ROOT)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BuildFailedError, match=r"empty holds no \.safetensors file"):
        site.models.build([tmp_path / "empty"], NEW, project=ROOT)


def test_building_needs_a_checkout_that_is_set_up(site: Site, weights: list[Path], tmp_path: Path) -> None:
    with pytest.raises(BuildFailedError, match="--project"):
        site.models.build(weights, NEW, project=tmp_path)
    (tmp_path / "archives").mkdir()
    (tmp_path / "archives" / "build.py").touch()
    with pytest.raises(BuildFailedError, match="make setup"):
        site.models.build(weights, NEW, project=tmp_path)
