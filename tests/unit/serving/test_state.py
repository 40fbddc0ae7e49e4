"""The state folder: private, and sure of which processes are its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.log import complaints
from serving.processes import ProcessMark
from serving.state import ServerState, StateFolder


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    folder = StateFolder(tmp_path / "state")
    folder.create()
    return folder


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


SERVER = ServerState("http://a", "http://b", "http://c", "one", "two", pid=1, start_ms={"java": 900.5})


def test_only_the_owner_may_look(folder: StateFolder) -> None:
    folder.publish(SERVER)
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert folder.server_file.stat().st_mode & 0o777 == 0o600


def test_tokens_do_not_show() -> None:
    assert "one" not in repr(SERVER)
    assert "two" not in repr(SERVER)


def test_a_server_is_ready_while_its_processes_run(
    folder: StateFolder, sleeper: subprocess.Popen[bytes]
) -> None:
    folder.record(sleeper.pid)
    assert folder.server() is None
    folder.publish(SERVER)
    assert folder.server() == SERVER
    sleeper.kill()
    sleeper.wait()
    assert folder.server() is None


def test_a_process_id_used_again_is_not_ours(folder: StateFolder) -> None:
    mark = ProcessMark.of(os.getpid())
    assert mark.process() is not None
    assert ProcessMark(mark.pid, mark.started - 3600).process() is None
    folder.processes_file.write_text(json.dumps([{"pid": mark.pid, "started": mark.started - 3600}]))
    assert folder.processes() == []


def test_clearing_leaves_only_the_log(folder: StateFolder) -> None:
    folder.record(os.getpid())
    folder.publish(SERVER)
    folder.log_file.write_text("log")
    temporary = folder.make_temporary()
    (temporary / "socket").touch()
    folder.clear()
    assert not temporary.exists()
    assert [path.name for path in folder.path.rglob("*") if path.is_file()] == ["server.log"]


def test_complaints_are_what_went_wrong(folder: StateFolder) -> None:
    entries = [
        {"level": "INFO", "thread": "main", "message": "GET /ping 200"},
        {"level": "INFO", "thread": "worker", "message": "ValueError: bad weights"},
        {"level": "WARN", "thread": "loader", "message": "Load model failed"},
    ]
    lines = [json.dumps(entry) for entry in entries] + ["the workflow did not load"]
    folder.log_file.write_text("\n".join(lines))
    assert complaints(folder.log_file).splitlines() == [
        "worker: ValueError: bad weights",
        "loader: Load model failed",
        "the workflow did not load",
    ]
