"""The state folder of one server: who runs it, where it answers, its log. Private to its owner."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from outofsync_client.protocol import LOG_FILE, STATE_FILE, TEMPORARY_LINK
from outofsync_client.protocol.private_files import write_private
from outofsync_client.protocol.state import RunningServer

START_TOLERANCE_S = 1.0  # psutil derives a start time from the boot time, which moves with the clock


@dataclass(frozen=True)
class ServerState(RunningServer):
    """A server that is ready: what a client needs to find it, and what whoever runs it wants to know."""

    pid: int
    start_ms: dict[str, float] = field(default_factory=dict)  # what its start was spent on


@dataclass(frozen=True)
class ProcessMark:
    """One process and no other: process ids are used again, start times tell them apart."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> ProcessMark:
        return cls(pid, psutil.Process(pid).create_time())

    def process(self) -> psutil.Process | None:
        """The process, None where it has ended."""
        try:
            process = psutil.Process(self.pid)
            alive = process.status() != psutil.STATUS_ZOMBIE
            same = abs(process.create_time() - self.started) < START_TOLERANCE_S
        except psutil.NoSuchProcess:
            return None
        return process if alive and same else None


class StateFolder:
    """``server.json`` exists while the server is ready, ``processes.json`` while it runs at all."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.server_file = self.path / STATE_FILE
        self.processes_file = self.path / "processes.json"
        self.properties_file = self.path / "server.properties"
        self.log_file = self.path / LOG_FILE
        self.java_folder = self.path / "java"
        self.temporary_link = self.path / TEMPORARY_LINK

    def create(self) -> None:
        """Make the folder; only its owner may look inside."""
        self.java_folder.mkdir(parents=True, exist_ok=True)
        self.path.chmod(0o700)

    def make_temporary(self) -> Path:
        """A folder for sockets and unpacked archives, elsewhere: sockets' names must be short."""
        folder = Path(tempfile.mkdtemp(prefix="outofsync-"))
        self.temporary_link.symlink_to(folder)
        return folder

    def server(self) -> ServerState | None:
        """The ready server, None where there is none."""
        values = _read(self.server_file)
        return None if values is None or self.supervisor() is None else ServerState(**values)

    def publish(self, server: ServerState) -> None:
        """Declare the server ready."""
        write_private(self.server_file, json.dumps(asdict(server), indent=2))

    def supervisor(self) -> psutil.Process | None:
        """Who runs the server, from its first moment to its last; without it, what still runs is a stray."""
        marks = self._marks()
        return marks[0].process() if marks else None

    def processes(self) -> list[psutil.Process]:
        """Those of this server's processes that still run, the supervisor first."""
        return [process for mark in self._marks() if (process := mark.process())]

    def _marks(self) -> list[ProcessMark]:
        return [ProcessMark(**mark) for mark in _read(self.processes_file) or []]

    def record(self, *pids: int) -> None:
        """Remember this server's processes, the supervisor first."""
        marks = [asdict(ProcessMark.of(pid)) for pid in pids]
        write_private(self.processes_file, json.dumps(marks))

    def withdraw(self) -> None:
        """The server no longer takes requests."""
        self.server_file.unlink(missing_ok=True)

    def clear(self, *staying: int) -> None:
        """TorchServe has ended; the log stays, and a supervisor that starts it anew (process ids)."""
        self.withdraw()
        if staying:
            self.record(*staying)
        else:
            self.processes_file.unlink(missing_ok=True)
        (self.java_folder / "key_file.json").unlink(missing_ok=True)
        if self.temporary_link.is_symlink():
            shutil.rmtree(self.temporary_link.readlink(), ignore_errors=True)
            self.temporary_link.unlink()


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
