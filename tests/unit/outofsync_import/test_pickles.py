"""Arrays out of pickles."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler

from outofsync.checkpoints.store import CheckpointError
from outofsync_import.pickles import read_estimator, read_state_dict


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_an_estimator_keeps_its_arrays_whatever_the_protocol(tmp_path: Path, protocol: int) -> None:
    scaler = StandardScaler().fit(np.arange(12.0).reshape(4, 3))
    (tmp_path / "scaler.pkl").write_bytes(pickle.dumps(scaler, protocol))
    attributes = read_estimator(tmp_path / "scaler.pkl").attributes
    np.testing.assert_array_equal(attributes["mean_"], scaler.mean_)


@pytest.mark.parametrize("key", [None, "state_dict", "model_state_dict"])
def test_tensors_are_found_bare_or_wrapped(tmp_path: Path, key: str | None) -> None:
    tensors = {"weight": torch.arange(3.0)}
    torch.save(tensors if key is None else {key: tensors, "epoch": 7}, tmp_path / "net.pth")
    assert torch.equal(read_state_dict(tmp_path / "net.pth")["weight"], tensors["weight"])


def test_files_older_than_the_zip_format_are_read(tmp_path: Path) -> None:
    torch.save({"weight": torch.ones(2)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert read_state_dict(tmp_path / "old.pth")["weight"].tolist() == [1, 1]


@pytest.mark.parametrize("content", [torch.ones(2), {"lr": 0.1}, {"state_dict": [1, 2]}])
def test_other_content_is_no_network(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="no dictionary of named tensors"):
        read_state_dict(tmp_path / "other.pth")
