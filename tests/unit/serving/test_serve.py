"""What ``make -s env`` tells a shell."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from outofsync.confinement import landlock
from serving.lifecycle import start
from serving.settings import ROOT, ServeError, ServerSettings
from serving.state import ServerState, StateFolder

SERVER = ServerState(
    url="http://127.0.0.1:1001",
    management_url="http://127.0.0.1:1002",
    metrics_url="http://127.0.0.1:1003/metrics",
    pid=os.getpid(),
    token="it's $HOME",
    management_token='a "b" `c`',
)


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    folder = StateFolder(tmp_path / "the state")
    folder.create()
    return folder


def make_env(folder: StateFolder, **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", "-s", "env", f"STATE={folder.path}"],
        cwd=ROOT,
        env={**clean, **variables},
        capture_output=True,
        text=True,
    )


def test_a_shell_reads_back_what_the_server_is(folder: StateFolder) -> None:
    folder.record(os.getpid())
    folder.publish(SERVER)
    script = 'eval "$1"; printf "%s\\n" "$OUTOFSYNC_URL" "$OUTOFSYNC_TOKEN" "$OUTOFSYNC_MANAGEMENT_URL"'
    script += ' "$OUTOFSYNC_MANAGEMENT_TOKEN"'
    command = ["bash", "-euc", script, "bash", make_env(folder).stdout]
    read = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert read == [SERVER.url, SERVER.token, SERVER.management_url, SERVER.management_token]


def test_nothing_else_is_said(folder: StateFolder) -> None:
    folder.record(os.getpid())
    folder.publish(SERVER)
    lines = make_env(folder, MAKELEVEL="1").stdout.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("export OUTOFSYNC_") for line in lines)


def test_without_a_server_it_is_a_sentence(folder: StateFolder) -> None:
    done = make_env(folder)
    assert done.returncode != 0
    assert done.stdout == ""
    assert "no server is ready; start one: make serve" in done.stderr


@pytest.mark.parametrize("version", [0, 7])
def test_a_start_warns_where_decoders_cannot_be_confined(
    folder: StateFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], version: int
) -> None:
    monkeypatch.setattr(landlock, "version", lambda: version)
    folder.record(os.getpid())  # a server runs already: it is started no further
    with pytest.raises(ServeError, match="runs already"):
        start(ServerSettings(state=folder.path))
    assert ("warning: this machine lacks Landlock" in capsys.readouterr().err) is (version == 0)
