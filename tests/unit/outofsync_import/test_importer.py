"""The import command, on files of the published formats."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from outofsync.checkpoints.store import Checkpoint
from outofsync.deblur.unet import UNetDeblurLight, load_unet
from outofsync.scoring.regressor import Regressor
from outofsync.scoring.score import load_scorer
from outofsync.synchrony.published import PublishedConfig, PublishedModel
from outofsync.synchrony.registry import load_sync
from outofsync_import.importer import main

FEATURES = 40
SMALL = PublishedConfig(width=32, depth=2, visual_length=8, audio_length=64)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one file of each kind."""
    folder = tmp_path_factory.mktemp("published")
    torch.save(PublishedModel(SMALL).state_dict(), folder / "sync.pth")
    torch.save(Regressor().state_dict(), folder / "dist.pth")
    torch.save(Regressor().state_dict(), folder / "avfeature.pth")
    torch.save({"epoch": 3, "model_state_dict": UNetDeblurLight().state_dict()}, folder / "light.pth")
    torch.save({"weight": torch.zeros(2)}, folder / "unknown.pth")
    features = np.random.default_rng(0).normal(size=(80, FEATURES))
    pipeline = Pipeline([("scaling", StandardScaler()), ("pca", PCA(31))]).fit(features)
    (folder / "pca.pkl").write_bytes(pickle.dumps(pipeline))
    (folder / "scaler.pkl").write_bytes(pickle.dumps(StandardScaler().fit(features)))
    return folder


def run(output: Path, **files: Path) -> None:
    arguments = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    main([*arguments, "--output-dir", str(output)])


def failure(capsys: pytest.CaptureFixture[str], output: Path, **files: Path) -> str:
    """What the command says when it gives up."""
    with pytest.raises(SystemExit) as stopped:
        run(output, **files)
    assert stopped.value.code not in (None, 0)
    assert not output.exists() or not list(output.iterdir())
    return str(stopped.value.code) + capsys.readouterr().err


def test_the_synchronisation_network_with_its_sizes(files: Path, tmp_path: Path) -> None:
    run(tmp_path, sync=files / "sync.pth")
    checkpoint = Checkpoint.load(tmp_path / "sync.safetensors", kind="sync")
    assert PublishedConfig(**checkpoint.config) == SMALL
    assert load_sync(checkpoint).feature_size == 64


def test_the_scoring_files_become_one(files: Path, tmp_path: Path) -> None:
    run(tmp_path, dist=files / "dist.pth", avfeature=files / "avfeature.pth", pca=files / "pca.pkl")
    checkpoint = Checkpoint.load(tmp_path / "scoring.safetensors", kind="scoring")
    features = np.random.default_rng(1).normal(size=(5, FEATURES))
    pipeline = pickle.loads((files / "pca.pkl").read_bytes())
    projected = load_scorer(checkpoint).project(features)
    np.testing.assert_allclose(projected, pipeline.transform(features), atol=1e-9)
    assert checkpoint.config["lam"] == 0


def test_a_wrapped_deblurring_network_told_by_its_tensors(files: Path, tmp_path: Path) -> None:
    run(tmp_path, deblur=files / "light.pth")
    checkpoint = Checkpoint.load(tmp_path / "deblur.safetensors", kind="deblur")
    assert isinstance(load_unet(checkpoint), UNetDeblurLight)


@pytest.mark.parametrize(
    ("option", "file", "sentence"),
    [
        ("sync", "dist.pth", "dist.pth is a regressor, not a synchronisation network"),
        ("sync", "pca.pkl", "pca.pkl is a pickled projection, not a synchronisation network"),
        ("deblur", "sync.pth", "sync.pth is a synchronisation network, not a deblurring network"),
        ("sync", "unknown.pth", "unknown.pth holds a network unknown here"),
        ("sync", "scaler.pkl", "scaler.pkl is no pipeline"),
        ("sync", "missing.pth", "missing.pth is no file"),
    ],
)
def test_a_wrong_file_is_answered_with_what_it_is(
    files: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    option: str,
    file: str,
    sentence: str,
) -> None:
    assert sentence in failure(capsys, tmp_path / "out", **{option: files / file})


def test_a_truncated_network_is_refused_with_the_missing_tensor(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tensors = torch.load(files / "sync.pth", weights_only=True)
    del tensors["vis_enc.layer4.1.conv2.weight"]
    torch.save(tensors, tmp_path / "short.pth")
    message = failure(capsys, tmp_path / "out", sync=tmp_path / "short.pth")
    assert "vis_enc.layer4.1.conv2.weight" in message


def test_the_three_scoring_files_go_together(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "name all three" in failure(capsys, tmp_path / "out", dist=files / "dist.pth")


def test_nothing_to_import_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "at least one" in failure(capsys, tmp_path / "out")
