"""The process that forks decoders outlives whatever happens to its children at one moment."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psutil
import pytest

from outofsync.media.fork_server import ENGINE
from outofsync.media.protocol import ENDED

NUMBER = 32  # bytes that hold a process's number
# What is ready is gone through in the order of its registration, as poll has it: a child's end before its
# parent's leaving. epoll gives any order, this one among them.
PROGRAM = f"""import os, selectors, sys
sys.path[:0] = {[ENGINE, *sys.path]!r}
selectors.DefaultSelector = selectors.PollSelector
from outofsync.media.fork_loop import serve
def main(text):
    os.write(0, str(os.getpid()).encode())
    os.read(0, 1)  # until nobody holds its link any more
serve(main)"""


@dataclass
class Loop:
    """A process that forks children which wait until they are killed, or until ``links`` is closed."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    links: ExitStack

    def fork(self) -> tuple[int, socket.socket]:
        """A child's number, and where its end is told."""
        report, theirs = socket.socketpair()
        link, childs = socket.socketpair()
        self.links.enter_context(link)
        with theirs, childs:
            socket.send_fds(self.control, [b"task"], [theirs.fileno(), childs.fileno()])
        number = link.recv(NUMBER)
        assert number, "nobody was forked"
        return int(number), report

    def wait_for(self, pid: int, status: str) -> None:
        process = psutil.Process(pid)
        while process.status() != status:
            assert self.process.poll() is None, "the process that forks has ended"
            time.sleep(0.01)


@pytest.fixture
def loop() -> Iterator[Loop]:
    control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with control, ExitStack() as links:
        with theirs:
            process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=theirs.fileno())
        yield Loop(process, control, links)
        process.kill()
        process.wait()


@contextmanager
def held(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """It sees all that happens meanwhile at once."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def test_a_child_that_ends_as_its_parent_closes_it_takes_nobody_along(loop: Loop) -> None:
    dying, report = loop.fork()
    living, other = loop.fork()
    with report, other:
        with held(loop.process):
            loop.wait_for(loop.process.pid, psutil.STATUS_STOPPED)
            os.kill(dying, signal.SIGKILL)
            loop.wait_for(dying, psutil.STATUS_ZOMBIE)
            report.shutdown(socket.SHUT_WR)
        status, _ = ENDED.unpack(report.recv(ENDED.size))
        assert status == -signal.SIGKILL
        following, third = loop.fork()
        with third:
            assert loop.process.poll() is None
            assert psutil.pid_exists(living)
            assert following not in (dying, living)
