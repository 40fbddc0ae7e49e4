"""A version is marked while it is at a batch, and never longer."""

from __future__ import annotations

import fcntl
import multiprocessing
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from in_flight import FOLDER, in_flight

CONTEXT = SimpleNamespace(model_name="deepfake__ensemble", manifest={"model": {"modelVersion": "2.0"}})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / FOLDER


def held(folder: Path) -> list[str]:
    """The marks that somebody holds."""
    found = []
    for path in folder.glob("*"):
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                found.append(path.name.rsplit("-", 1)[0])
    return found


def test_a_batch_is_marked_while_it_lasts(folder: Path) -> None:
    with in_flight(CONTEXT):
        assert held(folder) == ["deepfake__ensemble-2.0"]
    assert list(folder.iterdir()) == []


def test_a_batch_that_fails_is_unmarked(folder: Path) -> None:
    with pytest.raises(RuntimeError), in_flight(CONTEXT):
        raise RuntimeError
    assert list(folder.iterdir()) == []


def hold_for_ever() -> None:
    with in_flight(CONTEXT):
        multiprocessing.Event().wait()


def test_a_killed_worker_is_at_nothing(folder: Path) -> None:
    worker = multiprocessing.get_context("fork").Process(target=hold_for_ever)
    worker.start()
    while not held(folder):
        assert worker.is_alive()
    worker.kill()
    worker.join()
    assert held(folder) == []


def test_a_batch_goes_on_where_the_disk_takes_no_mark(folder: Path) -> None:
    folder.write_text("not a folder")
    handled = False
    with in_flight(CONTEXT):
        handled = True
    assert handled
