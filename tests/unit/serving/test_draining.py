"""A server stops only once nobody's request is under way, or time is up."""

from __future__ import annotations

import fcntl
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from outofsync_client.protocol import IN_FLIGHT_FOLDER
from serving.torchserve import draining
from serving.torchserve.draining import drain, is_at_work

LONG_S = 300.0  # a drain that takes so long has not seen that all is quiet
# Listens, says where, and does nothing more: not even a byte is read or written.
LISTENER = """
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
connection = server.accept()
print("connected", flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class Listener:
    """A process that listens."""

    process: subprocess.Popen[bytes]
    port: int

    @contextmanager
    def connected(self) -> Iterator[None]:
        with socket.create_connection(("127.0.0.1", self.port)):
            assert self.process.stdout is not None
            assert self.process.stdout.readline() == b"connected\n"
            yield

    def drained(self, temporary: Path, limit_s: float) -> float:
        """Seconds that a drain took."""
        started = time.monotonic()
        drain(self.process.pid, self.port, temporary, limit_s)
        return time.monotonic() - started


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    monkeypatch.setattr(draining, "QUIET_S", 0.2)
    words = [sys.executable, "-c", LISTENER]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield Listener(process, int(process.stdout.readline()))
        process.kill()


def test_it_waits_for_no_one_where_no_one_is_connected(listener: Listener, tmp_path: Path) -> None:
    assert listener.drained(tmp_path, LONG_S) < LONG_S


def test_connections_that_are_idle_do_not_keep_it(listener: Listener, tmp_path: Path) -> None:
    with listener.connected():
        assert draining.QUIET_S <= listener.drained(tmp_path, LONG_S) < LONG_S


def test_a_worker_at_work_keeps_it_until_time_is_up(listener: Listener, tmp_path: Path) -> None:
    mark = tmp_path / IN_FLIGHT_FOLDER / "1"
    mark.parent.mkdir()
    mark.touch()
    assert not is_at_work(tmp_path)
    with listener.connected(), mark.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert is_at_work(tmp_path)
        assert listener.drained(tmp_path, 1.0) >= 1.0


def test_a_server_that_is_gone_is_not_waited_for(listener: Listener, tmp_path: Path) -> None:
    listener.process.kill()
    listener.process.wait()
    assert listener.drained(tmp_path, LONG_S) < LONG_S
