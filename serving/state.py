"""The state folder of one server: who runs it, where it answers, its log. Private to its owner."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

START_TOLERANCE_S = 1.0  # psutil derives a start time from the boot time, which moves with the clock


@dataclass(frozen=True)
class ServerState:
    """A server that is ready: what a client needs to find it."""

    url: str
    management_url: str
    metrics_url: str
    pid: int
    token: str = field(repr=False)
    management_token: str = field(repr=False)
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
        self.server_file = self.path / "server.json"
        self.processes_file = self.path / "processes.json"
        self.properties_file = self.path / "server.properties"
        self.log_file = self.path / "server.log"
        self.java_folder = self.path / "java"
        self.temporary_link = self.path / "temporary"

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
        _write_private(self.server_file, asdict(server))

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
        _write_private(self.processes_file, [asdict(ProcessMark.of(pid)) for pid in pids])

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

    def complaints(self, lines: int = 15) -> str:
        """The last lines of the log that tell of trouble."""
        if not self.log_file.exists():
            return ""
        messages = (_complaint(line) for line in self.log_file.read_text(errors="replace").splitlines())
        return "\n".join([message for message in messages if message][-lines:])


def _complaint(line: str) -> str | None:
    """What a line of the log (config/log4j2.xml) complains of, None where it does not."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line  # a sentence of our own, or of Java's before its log is set up
    if "entry" in entry:  # what became of a request
        return None
    # A worker's lines are all INFO; the last of a traceback names the exception.
    if entry["level"] == "INFO" and not re.match(r"[\w.]+(Error|Exception): ", entry["message"]):
        return None
    return f"{entry['thread']}: {entry['message']}"


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None


def _write_private(path: Path, values: Any) -> None:
    """Write JSON whole or not at all, readable by the owner alone."""
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(values, file, indent=2)
    partial.replace(path)
