"""What ``make archives`` makes, from stand-in weights."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import pytest
import yaml

from archives.build import ROOT, SETTINGS, BuildError, build, sign_all
from archives.repack import read_sums
from serving.signing import Keys, check, signature_of


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints")
    for kind in ("deblur", "sync", "scoring"):
        (folder / f"{kind}.safetensors").write_bytes(kind.encode())
    return folder


@pytest.fixture(scope="module")
def store(checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    build(checkpoints, folder)
    return folder


def entries(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as file:
        return {name: file.read(name) for name in file.namelist()}


@pytest.mark.slow
def test_settings_may_come_from_elsewhere(checkpoints: Path, store: Path, tmp_path: Path) -> None:
    shutil.copytree(SETTINGS, tmp_path / "settings")
    changed = tmp_path / "settings" / "deblur" / "model-config.yaml"
    changed.write_text("batchSize: 7\n")
    build(checkpoints, tmp_path / "store", settings=tmp_path / "settings")
    assert b"batchSize: 7\n" in entries(tmp_path / "store" / "deblur.mar").values()
    for name in ("ensemble.mar", "deepfake.war"):
        assert (tmp_path / "store" / name).read_bytes() == (store / name).read_bytes()


def test_the_same_inputs_give_the_same_bytes(checkpoints: Path, store: Path, tmp_path: Path) -> None:
    build(checkpoints, tmp_path)
    names = sorted(path.name for path in store.iterdir())
    assert names == ["SHA256SUMS", "deblur.mar", "deepfake.war", "ensemble.mar"]
    for name in names:
        assert (store / name).read_bytes() == (tmp_path / name).read_bytes()


def test_building_again_changes_nothing(checkpoints: Path, store: Path) -> None:
    assert not any(build(checkpoints, store).values())


@pytest.mark.parametrize(("model", "weights"), [("deblur", ["deblur"]), ("ensemble", ["scoring", "sync"])])
def test_an_archive_holds_all_its_model_needs(store: Path, model: str, weights: list[str]) -> None:
    content = entries(store / f"{model}.mar")
    manifest = json.loads(content["MAR-INF/MANIFEST.json"])["model"]
    assert manifest["modelName"] == model
    assert manifest["handler"] in content
    assert manifest["configFile"] in content
    assert "batching.py" in content
    assert [name for name in content if name.endswith(".safetensors")] == [
        f"{w}.safetensors" for w in weights
    ]
    engine = sorted(ROOT.glob("handlers/outofsync/**/*.py"))
    assert {str(path.relative_to(ROOT / "handlers")) for path in engine} <= set(content)
    assert not [name for name in content if "__pycache__" in name or name.endswith(".pyc")]


def test_the_workflow_names_the_archives_and_never_retries(store: Path) -> None:
    content = entries(store / "deepfake.war")
    spec = yaml.safe_load(content["workflow.yaml"])
    assert spec["dag"] == {"deblur": ["ensemble"]}
    assert {name: spec["models"][name]["url"] for name in spec["dag"]} == {"deblur": "deblur.mar"}
    assert spec["models"]["ensemble"]["url"] == "ensemble.mar"
    assert spec["models"]["retry-attempts"] == 0


@pytest.mark.parametrize("model", ["deblur", "ensemble"])
def test_a_late_worker_outlives_the_workflow(store: Path, model: str) -> None:
    """TorchServe kills a worker at its own time-out, which must lie beyond the workflow's."""
    settings = yaml.safe_load(entries(store / f"{model}.mar")["model-config.yaml"])
    workflow = yaml.safe_load(entries(store / "deepfake.war")["workflow.yaml"])
    assert settings["responseTimeout"] > workflow["models"]["timeout-ms"] / 1000


def test_the_sums_are_right(store: Path) -> None:
    lines = (store / "SHA256SUMS").read_text().splitlines()
    assert len(lines) == 3
    for line in lines:
        digest, name = line.split("  ")
        assert hashlib.sha256((store / name).read_bytes()).hexdigest() == digest


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"deblur\.safetensors is missing.*CHECKPOINTS"):
        build(tmp_path, tmp_path / "store")


@pytest.mark.slow
def test_a_version_of_ones_own_stands_beside_the_others(checkpoints: Path, tmp_path: Path) -> None:
    build(checkpoints, tmp_path)
    served = {path.name: path.read_bytes() for path in tmp_path.glob("*.[mw]ar")}
    changed = build(checkpoints, tmp_path, "2.0")
    assert sorted(path.name for path in changed) == ["deblur-2.0.mar", "ensemble-2.0.mar"]
    assert {name: (tmp_path / name).read_bytes() for name in served} == served
    manifest = json.loads(entries(tmp_path / "ensemble-2.0.mar")["MAR-INF/MANIFEST.json"])
    assert manifest["model"]["modelName"] == "ensemble"
    assert manifest["model"]["modelVersion"] == "2.0"
    summed = [line.split("  ")[1] for line in (tmp_path / "SHA256SUMS").read_text().splitlines()]
    assert summed == sorted([*served, "deblur-2.0.mar", "ensemble-2.0.mar"])


def test_a_version_is_made_of_the_weights_there_are(checkpoints: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    with pytest.raises(BuildError, match=r"weights holds no weights.*CHECKPOINTS"):
        build(weights, tmp_path, "2.0")
    shutil.copy(checkpoints / "sync.safetensors", weights)
    with pytest.raises(BuildError, match=r"scoring\.safetensors is missing"):
        build(weights, tmp_path, "2.0")
    shutil.copy(checkpoints / "scoring.safetensors", weights)
    assert [path.name for path in build(weights, tmp_path, "2.0")] == ["ensemble-2.0.mar"]


@pytest.mark.parametrize("version", ["", "two", "2.0/../..", "2.0&url=x", "2.", "2.0\n"])
def test_what_is_no_version_is_a_sentence(checkpoints: Path, tmp_path: Path, version: str) -> None:
    with pytest.raises(BuildError, match="numbers and dots"):
        build(checkpoints, tmp_path, version)
    assert not list(tmp_path.iterdir())


def test_a_face_network_travels_along(checkpoints: Path, store: Path, tmp_path: Path) -> None:
    assert "face.safetensors" not in entries(store / "ensemble.mar")
    weights = Path(shutil.copytree(checkpoints, tmp_path / "weights"))
    (weights / "face.safetensors").write_bytes(b"face")
    build(weights, tmp_path / "store")
    assert entries(tmp_path / "store" / "ensemble.mar")["face.safetensors"] == b"face"
    assert "face.safetensors" not in entries(tmp_path / "store" / "deblur.mar")


def signed(store: Path) -> list[str]:
    """The archives whose signature is trusted."""
    trusted = Keys.of_environment().trusted()
    found = []
    for path in sorted(store.glob("*.[mw]ar")):
        if signature_of(path).exists():
            check(path, trusted)
            found.append(path.name)
    return found


def test_the_first_key_signs_what_was_built_and_what_was_trusted_before(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Versions that were rolled out before there was a key must still load; what no sum names is nobody's."""
    monkeypatch.setenv("OUTOFSYNC_KEYS", str(tmp_path / "keys"))
    copy = Path(shutil.copytree(store, tmp_path / "store"))
    shutil.copy(copy / "deblur.mar", copy / "deblur-9.0.mar")
    before = read_sums(copy)
    assert "a key made for that" in sign_all([copy / "ensemble.mar"], before)
    assert signed(copy) == ["deblur.mar", "deepfake.war", "ensemble.mar"]
    for path in copy.glob("*.sig"):
        path.unlink()
    assert sign_all([copy / "ensemble.mar"], before) == ""
    assert signed(copy) == ["ensemble.mar"], "with a key that is there already, only what was built is signed"


def test_archives_are_built_all_the_same_where_nobody_can_sign(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OUTOFSYNC_KEYS")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    (tmp_path / "settings").write_text("a file where the folder of keys should be")
    archive = Path(shutil.copy(store / "ensemble.mar", tmp_path))
    assert sign_all([archive], {}).startswith("not signed: ")
    assert not signature_of(archive).exists()
    monkeypatch.setenv("OUTOFSYNC_KEYS", str(tmp_path / "settings" / "keys"))
    with pytest.raises(BuildError, match="were built, but not signed"):
        sign_all([archive], {})
    monkeypatch.setenv("OUTOFSYNC_KEYS", "")
    assert sign_all([archive], {}) == ""
    assert not signature_of(archive).exists()
