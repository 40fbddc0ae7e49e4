"""A disk runs full under a server that works: callers are told to come back, and nobody dies of it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from server_fixture import LiveServer
from traces import Marker, traces
from under_load import VIDEO

from serving.lifecycle import running
from serving.settings import ServerSettings

pytestmark = pytest.mark.server

SIZE = "200m"  # unpacked archives, and some room


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small disk of the test's own."""
    folder = tmp_path_factory.mktemp("disk")
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a disk for the test, and not everywhere")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="module")
def server(disk: Path, small_store: Path) -> Iterator[LiveServer]:
    """Its temporary folder and its state, with the log, lie on the small disk."""
    (disk / "temporary").mkdir()
    settings = ServerSettings(state=disk / "state", model_store=small_store, plain_models=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(disk / "temporary"))
        patch.setattr("tempfile.tempdir", None)
        with running(settings) as state:
            yield LiveServer(state, settings)


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Not a byte is left."""
    path = disk / "ballast"
    with path.open("wb", buffering=0) as ballast:
        try:
            while ballast.write(bytes(4096)) == 4096:
                pass
        except OSError:
            pass
    try:
        yield
    finally:
        path.unlink()


def test_callers_are_told_to_come_back_and_then_served(server: LiveServer, disk: Path) -> None:
    workers, java = server.workers(), server.java().pid
    with filled(disk), ThreadPoolExecutor(4) as pool:
        errors = list(pool.map(server.detect_error, [VIDEO] * 8))
        assert {(error["code"], error["status"]) for error in errors} == {("busy", 503)}
        assert all("No space left on device" in error["message"] for error in errors)
        assert all(error["hint"] for error in errors)
    assert "verdict" in server.detect(VIDEO)
    assert (server.workers(), server.java().pid) == (workers, java)


def test_nothing_remains_of_a_video_that_found_no_room(
    server: LiveServer, disk: Path, marker: Marker
) -> None:
    since = time.time() - 1.0
    with filled(disk):
        assert server.detect_error(marker.video)["code"] == "busy"
    assert traces(marker.marks, [disk], server.java().children(recursive=True), since=since) == []


def test_a_log_that_cannot_be_written_stops_nothing(server: LiveServer, disk: Path) -> None:
    """Every request is logged; lines that find no room are lost, and later ones are not."""
    before = server.folder.log_file.stat().st_size
    with filled(disk):
        for number in range(50):
            server.detect_error(VIDEO, request_id=f"unlogged-{number}")
    assert "verdict" in server.detect(VIDEO, request_id="logged-again")
    assert "logged-again" in server.folder.log_file.read_text(errors="replace")
    assert server.folder.log_file.stat().st_size > before
    assert server.folder.supervisor() is not None
