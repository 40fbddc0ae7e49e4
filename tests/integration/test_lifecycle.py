"""Servers start side by side, stop alone, and leave nothing behind."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from media_factory import Media
from server_fixture import LiveServer, MakeServer

from config.serve import start, stop
from config.settings import ServeError

pytestmark = pytest.mark.server


def family(server: LiveServer) -> list[psutil.Process]:
    """Supervisor, Java and workers."""
    supervisor = server.folder.processes()[0]
    return [supervisor, *supervisor.children(recursive=True)]


def is_ready(server: LiveServer) -> bool:
    state = server.folder.server()
    if state is None:
        return False
    return "error" not in LiveServer(state, server.settings).detect(Media().to_bytes())


def test_stopping_one_server_leaves_the_other(server: LiveServer, make_server: MakeServer) -> None:
    other = make_server()
    assert other.state.url != server.state.url
    processes = family(other)
    assert len(processes) == 4
    assert stop(other.settings.state, drain_s=5)
    assert not psutil.wait_procs(processes, timeout=30)[1]
    assert other.folder.server() is None
    assert is_ready(server)


def test_stopping_twice_says_that_nothing_runs(tmp_path: Path) -> None:
    assert not stop(tmp_path, drain_s=1)


def test_a_second_server_in_the_same_folder_is_a_sentence(server: LiveServer) -> None:
    with pytest.raises(ServeError, match=f"a server runs already at {server.state.url}; .*make stop"):
        start(server.settings)


def test_a_request_under_way_is_answered_before_the_end(make_server: MakeServer) -> None:
    server = make_server()
    video = Media(frames=500).to_bytes()
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(server.detect, video)
        while not server.java().net_connections("tcp"):
            time.sleep(0.01)
        time.sleep(0.3)  # the upload takes less, the judging more
        assert not answer.done()
        stop(server.settings.state, drain_s=60)
        assert "verdict" in answer.result()
    assert server.folder.processes() == []


def test_what_a_killed_supervisor_left_ends_at_the_next_start(make_server: MakeServer) -> None:
    server = make_server()
    processes = family(server)
    processes[0].kill()
    processes[0].wait()
    assert server.folder.processes() == processes[1:2], "Java outlives its supervisor"
    assert server.folder.server() is None
    temporary = server.folder.temporary_link.readlink()
    start(server.settings)
    assert not psutil.wait_procs(processes, timeout=30)[1]
    assert not temporary.exists()
    assert is_ready(server)


def test_a_server_that_breaks_is_not_called_ready(make_server: MakeServer) -> None:
    server = make_server()
    processes = family(server)
    server.java().kill()
    assert not psutil.wait_procs(processes, timeout=30)[1]
    assert not server.folder.server_file.exists()
    assert "TorchServe ended by itself" in server.folder.complaints()


def test_archives_that_cannot_load_are_named(
    model_store: Path, make_server: MakeServer, tmp_path: Path
) -> None:
    store = shutil.copytree(model_store, tmp_path / "store")
    (store / "ensemble.mar").write_bytes(b"no archive")
    state = tmp_path / "state"
    with pytest.raises(ServeError, match=r"deepfake\.war did not load"):
        make_server(model_store=store, state=state)
    assert not (state / "server.json").exists()
    assert not (state / "processes.json").exists()
