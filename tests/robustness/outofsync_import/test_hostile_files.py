"""Files that would run code, exhaust memory or crash a careless reader."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler

from outofsync.checkpoints.store import Checkpoint, CheckpointError
from outofsync_import.pickles import read_estimator, read_state_dict

READERS: list[Callable[[Path], Any]] = [read_estimator, read_state_dict, Checkpoint.load]


class Calls:
    """Pickles as a call of any function."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


def hostile(target: Path) -> dict[str, bytes]:
    """Pickles that would create ``target`` if they were obeyed, and broken files."""
    good = pickle.dumps(np.arange(100.0))
    return {
        "runs a command": pickle.dumps(Calls(os.system, f"touch {target}")),
        "evaluates": pickle.dumps(Calls(eval, f"open({str(target)!r}, 'w')")),
        "opens a file": pickle.dumps(Calls(open, str(target), "w")),
        "loads a file through NumPy": pickle.dumps(Calls(np.load, str(target))),
        "hides in an array": pickle.dumps(np.array([Calls(os.mkdir, str(target))], dtype=object)),
        "walks to a function": b"cnumpy\nndarray.__class__.__base__\n.",
        "is cut off": good[:-20],
        "is empty": b"",
        "is text": b"#!/bin/sh\nexit 1\n",
        "nests without end": b"(" * 100_000,
        "promises a huge header": (2**62).to_bytes(8, "little") + b"{}",
    }


@pytest.mark.parametrize("name", hostile(Path("target")))
@pytest.mark.parametrize("reader", READERS)
def test_a_hostile_file_is_refused_and_does_nothing(
    tmp_path: Path, reader: Callable[[Path], Any], name: str
) -> None:
    target = tmp_path / "touched"
    (tmp_path / "file").write_bytes(hostile(target)[name])
    with pytest.raises(CheckpointError, match="file "):
        reader(tmp_path / "file")
    assert not target.exists()


def test_code_inside_a_zipped_network_does_not_run(tmp_path: Path) -> None:
    target = tmp_path / "touched"
    torch.save({"weight": torch.ones(1), "x": Calls(os.mkdir, str(target))}, tmp_path / "net.pth")
    with pytest.raises(CheckpointError, match="more than plain tensors"):
        read_state_dict(tmp_path / "net.pth")
    assert not target.exists()


def test_an_estimator_with_a_strange_state_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"csklearn.pipeline\nPipeline\n)\x81K\x05b.")
    with pytest.raises(CheckpointError, match="state"):
        read_estimator(tmp_path / "file")


def test_a_few_bytes_do_not_take_all_memory(tmp_path: Path) -> None:
    """The table in which a pickle notes objects is as long as the largest number that it notes one under."""
    (tmp_path / "file").write_bytes(b"\x80\x02Nr" + (1 << 31).to_bytes(4, "little") + b".")
    with pytest.raises(CheckpointError, match="as number 2147483648"):
        read_estimator(tmp_path / "file")


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize(
    ("array", "lie"),
    [
        (np.zeros(3, np.int8), (b"i1", b"O8")),  # pointers to objects, out of the file's own bytes
        (np.zeros(3, np.int16), (b"i2", b"i8")),  # four times the bytes that there are
        (np.zeros(3, np.int8), (b"i1", b"V9")),
    ],
)
def test_arrays_that_lie_about_their_numbers_are_refused(
    tmp_path: Path, array: np.ndarray[Any, Any], lie: tuple[bytes, bytes], protocol: int
) -> None:
    scaler = StandardScaler()
    scaler.mean_ = array
    data = pickle.dumps(scaler, protocol)
    assert read_lie(tmp_path, data) is None
    assert read_lie(tmp_path, data.replace(*lie)) is not None


def read_lie(folder: Path, data: bytes) -> str | None:
    """Why an estimator is refused; None where it is read."""
    (folder / "file").write_bytes(data)
    try:
        read_estimator(folder / "file")
    except CheckpointError as error:
        return str(error)
    return None
