"""Numbers of the published program, and the weights they were made with."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from outofsync.checkpoints.store import Checkpoint
from outofsync.scoring.score import Scorer, load_scorer
from outofsync_import import importer

Golden = dict[str, NDArray[Any]]


@pytest.fixture(scope="session")
def parity_dir(shared_dir: Path) -> Path:
    return shared_dir / "parity"


@pytest.fixture(scope="session")
def published_dir(parity_dir: Path) -> Path:
    return parity_dir / "published"


@pytest.fixture(scope="session")
def golden(parity_dir: Path) -> Callable[[str], Golden]:
    """Reads one of the files of published numbers."""

    def read(name: str) -> Golden:
        with np.load(parity_dir / f"golden_{name}.npz") as arrays:
            return dict(arrays)

    return read


@pytest.fixture(scope="session")
def stand_in(parity_dir: Path) -> ModuleType:
    """The script that makes the weights the published program was run with."""
    path = parity_dir / "make_sync_weights.py"
    spec = importlib.util.spec_from_file_location("make_sync_weights", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def unet_weights(parity_dir: Path, stand_in: ModuleType) -> Callable[[str], dict[str, Tensor]]:
    """Weights of either U-Net, with batch norms that change nothing."""
    shapes = json.loads((parity_dir / "unet_state_dicts.json").read_text())

    def weights(architecture: str) -> dict[str, Tensor]:
        return {
            name: torch.zeros(shape)
            if name.endswith("running_mean")
            else torch.ones(shape)
            if name.endswith("running_var")
            else torch.from_numpy(stand_in.tensor_for(name, shape))
            for name, shape in shapes[architecture].items()
        }

    return weights


@pytest.fixture(scope="session")
def checkpoints(
    published_dir: Path,
    stand_in: ModuleType,
    unet_weights: Callable[[str], dict[str, Tensor]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The published files, or what stands in for them, imported as anybody would."""
    files, folder = tmp_path_factory.mktemp("published"), tmp_path_factory.mktemp("checkpoints")
    torch.save(stand_in.build(), files / "sync_model.pth")
    torch.save(unet_weights("unet_light"), files / "deblur.pth")
    named = {
        "sync": files / "sync_model.pth",
        "deblur": files / "deblur.pth",
        "dist": published_dir / "dist_regressive_model.pth",
        "avfeature": published_dir / "avfeature_regressive_model.pth",
        "pca": published_dir / "pca.pkl",
    }
    importer.main([f"--{name}={path}" for name, path in named.items()] + [f"--output-dir={folder}"])
    return folder


@pytest.fixture(scope="session")
def scorer(checkpoints: Path) -> Scorer:
    """The public regressors and projection."""
    return load_scorer(Checkpoint.load(checkpoints / "scoring.safetensors", kind="scoring"))
