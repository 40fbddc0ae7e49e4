"""Processes of our own: begun in the background, on record, and ended."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil

from outofsync_client.protocol.private_files import write_private
from serving.settings import ROOT

POLL_S = 0.05  # between two looks at something that is waited for

START_TOLERANCE_S = 1.0  # psutil derives a start time from the boot time, which moves with the clock
KILLED_S = 30.0  # after which a process that was killed is no longer waited for

T = TypeVar("T")


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


class SupervisedFolder:
    """A folder that says which processes work for it (``processes.json``): the supervisor first.

    So whoever stops them misses none, also where the supervisor was killed and left the others.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.processes_file = self.path / "processes.json"

    def record(self, *pids: int) -> None:
        """Remember the processes, the supervisor first."""
        marks = []
        for pid in pids:
            with suppress(psutil.NoSuchProcess):  # one that is gone already needs no one to end it
                marks.append(asdict(ProcessMark.of(pid)))
        write_private(self.processes_file, json.dumps(marks))

    def supervisor(self) -> psutil.Process | None:
        """Who runs the others, from its first moment to its last; without it, what still runs is a stray."""
        marks = self._marks()
        return marks[0].process() if marks else None

    def processes(self) -> list[psutil.Process]:
        """Those that still run, the supervisor first."""
        return [process for mark in self._marks() if (process := mark.process())]

    def stop(self, *, limit_s: float) -> bool:
        """Let the supervisor end the others and itself, and kill what is left then; False where none runs."""
        processes = self.processes()
        if not processes:
            return False
        processes[0].terminate()
        psutil.wait_procs(processes, timeout=limit_s)
        self.end_strays()
        return True

    def end_strays(self) -> None:
        """End what a supervisor that was killed, or does not end, has left running."""
        left: list[psutil.Process] = []
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                left += [process, *process.children(recursive=True)]
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=KILLED_S)
        self.clear()

    def clear(self) -> None:
        """Nothing works for the folder any more."""
        self.processes_file.unlink(missing_ok=True)

    def _marks(self) -> list[ProcessMark]:
        return [ProcessMark(**mark) for mark in read_json(self.processes_file) or []]


def read_json(path: Path) -> Any:
    """What a file holds, None where it is missing or makes no sense."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None


def end(process: subprocess.Popen[bytes], with_signal: signal.Signals, *, limit_s: float) -> None:
    """Let a process end, and kill it where it has not after ``limit_s``."""
    process.send_signal(with_signal)  # nothing where it has ended already
    try:
        process.wait(limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def in_background(
    words: Sequence[str], log_file: Path, look: Callable[[], T | None], *, limit_s: float | None = None
) -> T | None:
    """Run a module of ours (``words``: its name and arguments) that stays, until ``look`` finds what it made.

    None where the process ends before, or where it takes longer than ``limit_s`` and is ended.
    """
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    started = time.monotonic()
    try:
        while process.poll() is None:
            if (found := look()) is not None:
                _stay(process)
                return found
            if limit_s is not None and time.monotonic() - started > limit_s:
                process.terminate()
                process.wait()
            time.sleep(POLL_S)
    except BaseException:  # Ctrl-C: nothing that is half started stays behind
        process.terminate()
        process.wait()
        raise
    return None


_staying: list[subprocess.Popen[bytes]] = []  # on purpose: Python warns of those that nobody knows any more


def _stay(process: subprocess.Popen[bytes]) -> None:
    """Let a process outlive whoever began it; those that have ended are forgotten."""
    _staying[:] = [process, *(one for one in _staying if one.poll() is None)]
