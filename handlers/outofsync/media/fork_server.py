"""Children without a wait for imports: forked from a process that has loaded the decoder already.

A fresh interpreter with NumPy and PyAV takes a quarter of a second of processor time, as much as decoding
some seconds of video; a fork takes a few milliseconds. The process that forks is started with the first
child, in isolation: no environment, no site hooks, none of its parent's memory or descriptors.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import threading
from pathlib import Path

import outofsync
from outofsync.media.protocol import ENDED

# It finds its packages where the parent found them, after the standard library.
BOOT = """import sys
sys.path.extend(sys.argv[1:])
from outofsync.media.child import main
from outofsync.media.fork_loop import serve
serve(main)"""
ENGINE = str(Path(outofsync.__file__).resolve().parent.parent)
# An empty environment but for what keeps it small, and what a relocated interpreter may need to load at all.
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
INHERITED = ("LD_LIBRARY_PATH",)
UNKNOWN = 70  # status of a child whose end nobody has reported; EX_SOFTWARE of sysexits.h


class ForkedChild:
    """One child, which this process started but is not the parent of."""

    def __init__(self, server: ForkServer, report: socket.socket) -> None:
        self._server = server
        self._report = report
        self._status: int | None = None

    def wait(self, timeout_s: float | None = None) -> int:
        """How it ended, as ``subprocess`` says it: its status, or −n for signal n. Raises TimeoutError."""
        if self._status is None:
            poll = select.poll()
            poll.register(self._report, select.POLLIN)
            if not poll.poll(None if timeout_s is None else timeout_s * 1000):
                raise TimeoutError
            self._status, cpu_s = self._read()
            self._server.ended(cpu_s)
            if self._status < 0:
                self._server.retire()
        return self._status

    def _read(self) -> tuple[int, float]:
        try:
            ended = self._report.recv(ENDED.size)
        except ConnectionResetError:
            ended = b""
        if not ended:  # whoever should have said it is gone
            return UNKNOWN, 0.0
        status, cpu_s = ENDED.unpack(ended)
        return status, cpu_s

    def close(self) -> None:
        """Kill it if it lives, and wait until it is gone."""
        if self._status is None:
            self._report.shutdown(socket.SHUT_WR)
            self._status, cpu_s = self._read()
            self._server.ended(cpu_s)
        self._report.close()


class ForkServer:
    """Starts children that call the decoder's ``main``. May be used from several threads.

    A process that forks is replaced once a child has died of a signal: the next one has its memory laid out
    anew, so that a file made to guess addresses starts over each time that it guesses wrong.
    """

    def __init__(self, boot: str = BOOT) -> None:
        self._boot = boot
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._processes: list[subprocess.Popen[bytes]] = []  # the last one forks; others end
        self._cpu_s = 0.0
        os.register_at_fork(after_in_child=self._disown)

    @property
    def cpu_s(self) -> float:
        """Seconds of processor time that all children together have used until their ends."""
        with self._lock:
            return self._cpu_s

    def start(self) -> None:
        """Have it ready before the first child is wanted."""
        with self._lock:
            self._ready()

    def fork(self, task: str, descriptors: list[int]) -> ForkedChild:
        """A child with this task and these descriptors, which stay the caller's to close. Raises OSError."""
        report, theirs = socket.socketpair()
        with theirs:
            try:
                self._send(task.encode(), [theirs.fileno(), *descriptors])
            except BaseException:
                report.close()
                raise
        return ForkedChild(self, report)

    def ended(self, cpu_s: float) -> None:
        with self._lock:
            self._cpu_s += cpu_s

    def retire(self) -> None:
        """Let those that live go on, and fork no more of them from the same process."""
        with self._lock:
            self._hang_up()

    def close(self) -> None:
        """End it. Children that live end by themselves, when their links are closed."""
        with self._lock:
            self._hang_up()
            for process in self._processes:
                process.terminate()
                process.wait()
            self._processes = []

    def _send(self, task: bytes, descriptors: list[int]) -> None:
        with self._lock:
            try:
                socket.send_fds(self._ready(), [task], descriptors)
            except (BrokenPipeError, ConnectionResetError):  # somebody has killed it
                self._hang_up()
                socket.send_fds(self._ready(), [task], descriptors)

    def _ready(self) -> socket.socket:
        if self._control is None:
            self._processes = [one for one in self._processes if one.poll() is None]
            self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._processes.append(self._spawn(theirs))
        return self._control

    def _spawn(self, control: socket.socket) -> subprocess.Popen[bytes]:
        path = [entry for entry in (ENGINE, *sys.path) if entry]
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", self._boot, *path],
            stdin=control.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT | {name: os.environ[name] for name in INHERITED if name in os.environ},
        )

    def _hang_up(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None

    def _disown(self) -> None:
        """In a fork of this process: the children are its parent's, and so is the process that forks them."""
        self._lock = threading.Lock()
        self._hang_up()
        for process in self._processes:
            process.returncode = 0  # not ours to wait for
        self._processes = []
