"""One run at a time in one folder, on a disk and in a bucket."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pyarrow import fs

from outofsync_cluster import fence
from outofsync_cluster.errors import ClusterError
from outofsync_cluster.fence import LEASE, fenced
from outofsync_cluster.identity import Identity
from outofsync_cluster.places import Place, Storage
from outofsync_cluster.store import Store


def on_disk(folder: Path) -> Place:
    return Storage().place(str(folder))


def in_bucket(folder: Path) -> Place:
    """A place without locks, as object storage is."""
    return Place("mock://out", fs.SubTreeFileSystem(str(folder), fs.LocalFileSystem()), "")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fence, "SETTLES_S", 0.0)
    monkeypatch.setattr(fence, "RENEWED_S", 0.01)


@pytest.mark.parametrize("place", [on_disk, in_bucket])
def test_a_second_run_is_refused_until_the_first_has_ended(
    place: Callable[[Path], Place], tmp_path: Path
) -> None:
    folder = place(tmp_path)
    for _ in range(2):
        with fenced(folder), pytest.raises(ClusterError, match="another run writes"), fenced(folder):
            pass


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    code = (
        "import os, sys; from outofsync_cluster.fence import fenced; "
        "from outofsync_cluster.places import Storage; "
        "held = fenced(Storage().place(sys.argv[1])); held.__enter__(); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert killed.returncode == -9
    with fenced(on_disk(tmp_path)):
        pass


def test_a_lease_that_nobody_renews_runs_out(tmp_path: Path) -> None:
    def left(renewed_s: float) -> None:
        lease = {"run": "other", "who": "process 1 on there", "renewed_s": renewed_s}
        (tmp_path / LEASE).write_text(json.dumps(lease))

    left(time.time() - fence.EXPIRES_S / 2)
    with pytest.raises(ClusterError, match="process 1 on there"), fenced(in_bucket(tmp_path)):
        pass
    left(time.time() - fence.EXPIRES_S - 1)
    with fenced(in_bucket(tmp_path)):
        pass
    assert not (tmp_path / LEASE).exists()


def test_who_has_lost_the_folder_writes_no_more(tmp_path: Path) -> None:
    with fenced(in_bucket(tmp_path)) as held:
        store = Store(on_disk(tmp_path / "own"), Identity({}, {}), fence=held)
        store.write()
        lease = {"run": "other", "who": "", "renewed_s": time.time()}
        while not held.lost.wait(0.01):
            (tmp_path / LEASE).write_text(json.dumps(lease))
        with pytest.raises(ClusterError, match="taken this output folder over"):
            store.write()
    assert (tmp_path / LEASE).exists(), "it belongs to the other"
