"""What a killed worker left of a video goes once nobody can come for it, and not before."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from outofsync_client.management import Management
from outofsync_client.protocol import CLIPS_FOLDER, IN_FLIGHT_FOLDER
from serving.torchserve import leftovers
from serving.torchserve.leftovers import Leftovers, is_idle


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clip that has lain in a server's temporary folder for a minute."""
    monkeypatch.setattr(leftovers, "PAUSE_S", 0.0)
    path = tmp_path / CLIPS_FOLDER / ("0" * 32)
    path.parent.mkdir()
    path.write_bytes(b"faces")
    os.utime(path, (0, time.time() - 60.0))
    return path


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Another process holds the file's lock."""
    lock = (
        "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_SH); print(flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", lock, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield
        process.kill()


def test_what_nobody_comes_for_is_removed(tmp_path: Path, clip: Path) -> None:
    assert Leftovers(0.0).sweep(tmp_path, lambda: True) == 1
    assert not clip.exists()


def test_a_clip_that_is_read_stays(tmp_path: Path, clip: Path) -> None:
    with held(clip):
        assert Leftovers(0.0).sweep(tmp_path, lambda: True) == 0
    assert Leftovers(0.0).sweep(tmp_path, lambda: True) == 1


def test_a_clip_stays_while_torchserve_has_anything_to_do(tmp_path: Path, clip: Path) -> None:
    watched = Leftovers(0.05)
    for _ in range(3):
        time.sleep(0.06)
        assert watched.sweep(tmp_path, lambda: False) == 0
    assert clip.exists()


def test_a_clip_stays_while_a_worker_is_at_work(tmp_path: Path, clip: Path) -> None:
    mark = tmp_path / IN_FLIGHT_FOLDER / "deepfake__ensemble-1.0-7"
    mark.parent.mkdir()
    mark.touch()
    watched = Leftovers(0.05)
    with mark.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        time.sleep(0.06)
        assert watched.sweep(tmp_path, lambda: True) == 0
    assert clip.exists()


def test_a_young_clip_stays(tmp_path: Path, clip: Path) -> None:
    os.utime(clip)
    watched = Leftovers(30.0)
    watched._quiet_since -= 60.0
    assert watched.sweep(tmp_path, lambda: True) == 0
    assert clip.exists()


def test_nothing_to_do_means_that_all_workers_wait_and_nothing_is_queued() -> None:
    with Management("http://127.0.0.1:9", "no token") as management:
        assert not is_idle(management), "who cannot be asked may be at work"
