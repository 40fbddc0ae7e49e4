"""Checkpoints on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from outofsync.checkpoints.store import Checkpoint, CheckpointError

CHECKPOINT = Checkpoint(
    "sync", "published", {"width": 32}, {"weight": torch.arange(4.0)}, "2.1", {"licence": "MIT"}
)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    CHECKPOINT.save(tmp_path / "deep" / "sync.safetensors")
    loaded = Checkpoint.load(tmp_path / "deep" / "sync.safetensors", kind="sync")
    assert torch.equal(loaded.tensors["weight"], CHECKPOINT.tensors["weight"])
    for name in ("kind", "architecture", "config", "version", "about"):
        assert getattr(loaded, name) == getattr(CHECKPOINT, name)
    assert len(loaded.sha256) == 64


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    CHECKPOINT.save(tmp_path / "a.safetensors")
    CHECKPOINT.save(tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_another_kind_is_named(tmp_path: Path) -> None:
    CHECKPOINT.save(tmp_path / "sync.safetensors")
    with pytest.raises(CheckpointError, match="a sync network, not a deblur network"):
        Checkpoint.load(tmp_path / "sync.safetensors", kind="deblur")


def test_safetensors_of_others_are_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="import it first"):
        Checkpoint.load(tmp_path / "other.safetensors")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.safetensors"):
        Checkpoint.load(tmp_path / "none.safetensors")


@pytest.mark.parametrize("damage", [(b'"about"', b'"abuot"'), (b'\\"channels\\"', b'\\"channels!!')])
def test_a_checkpoint_that_does_not_say_what_it_is_is_refused(
    tmp_path: Path, damage: tuple[bytes, bytes]
) -> None:
    path = tmp_path / "made.safetensors"
    Checkpoint("sync", "made", {"channels": 1}, {"weight": torch.ones(2)}).save(path)
    data = path.read_bytes()
    path.write_bytes(data.replace(*damage))
    assert path.read_bytes() != data
    with pytest.raises(CheckpointError, match="does not say what a checkpoint has to"):
        Checkpoint.load(path)
