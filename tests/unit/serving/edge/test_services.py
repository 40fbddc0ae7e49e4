"""The edge's command, with a gateway of its own and an nginx that only pretends."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pretended_nginx
import psutil
import pytest

from serving.edge import __main__ as command
from serving.edge.services import READY_FILE
from serving.edge.settings import EdgeSettings
from serving.processes import POLL_S, SupervisedFolder


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EdgeSettings]:
    """An edge of this test alone; whatever is left of it is ended."""
    programs = tmp_path / "bin"
    programs.mkdir()
    nginx = programs / "nginx"
    nginx.write_text(f"#!{sys.executable}\n{Path(pretended_nginx.__file__).read_text()}")
    nginx.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = EdgeSettings(states=(tmp_path / "state",), port=port)
    settings.folder.mkdir(parents=True)
    yield settings
    SupervisedFolder(settings.folder).end_strays()


def edge(settings: EdgeSettings, action: str, monkeypatch: pytest.MonkeyPatch) -> int:
    words = [action, "--state", str(settings.states[0]), "--port", str(settings.port)]
    monkeypatch.setattr(sys, "argv", ["edge", *words])
    return command.main()


def test_it_answers_from_its_start_to_its_end(
    settings: EdgeSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert edge(settings, "status", monkeypatch) == 1
    assert edge(settings, "start", monkeypatch) == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    for words in (f"serving at {settings.url}", "nobody has a key yet", "certificate is for development"):
        assert words in said
    announced = json.loads((settings.folder / READY_FILE).read_text())
    assert announced["url"] == settings.url
    supervisor, *programs = SupervisedFolder(settings.folder).processes()
    assert (supervisor.pid, len(programs)) == (announced["pid"], 2)
    assert edge(settings, "status", monkeypatch) == 0
    assert edge(settings, "start", monkeypatch) == 1
    assert "runs from" in capsys.readouterr().err
    assert edge(settings, "run", monkeypatch) == 1
    assert "already" in capsys.readouterr().err
    assert edge(settings, "stop", monkeypatch) == 0
    assert not any(process.is_running() for process in (supervisor, *programs))
    assert edge(settings, "stop", monkeypatch) == 0
    assert "no edge runs" in capsys.readouterr().out


@pytest.mark.slow
def test_a_gateway_that_dies_is_started_anew(
    settings: EdgeSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert edge(settings, "start", monkeypatch) == 0, capsys.readouterr().err
    folder = SupervisedFolder(settings.folder)
    before = folder.processes()
    gateway = next(process for process in before if "gateway" in process.cmdline())
    gateway.send_signal(signal.SIGKILL)
    psutil.wait_procs([gateway], timeout=30)
    while len(folder.processes()) < len(before) or command.running(settings) is None:
        assert folder.supervisor(), (settings.folder / "edge.log").read_text()
        time.sleep(POLL_S)
    assert gateway not in folder.processes()
    assert edge(settings, "stop", monkeypatch) == 0


def test_an_nginx_that_does_not_run_is_a_sentence(
    settings: EdgeSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (settings.folder / pretended_nginx.PLAN).write_text("die")
    assert edge(settings, "start", monkeypatch) == 1
    assert "nginx did not start; its log is" in capsys.readouterr().err
    assert SupervisedFolder(settings.folder).processes() == []


def test_a_configuration_is_checked_by_nginx_itself(
    settings: EdgeSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert edge(settings, "check", monkeypatch) == 0
    assert "accepts" in capsys.readouterr().out
    (settings.folder / pretended_nginx.PLAN).write_text("unknown directive")
    assert edge(settings, "check", monkeypatch) == 1
    assert "unknown directive" in capsys.readouterr().err
