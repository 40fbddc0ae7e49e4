"""The process that forks children: it has loaded the decoder, so that none of them waits for imports.

Nothing of a stranger's is looked at here: files pass through as descriptors, and each child opens its own.
There is one thread, for a fork copies no others. Descriptor 0 is the link to the parent, over which
:class:`outofsync.media.fork_server.ForkServer` sends tasks.
"""

from __future__ import annotations

import gc
import os
import selectors
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from outofsync.media.protocol import ENDED, FILE, LINK, MAX_TASK, RING

Main = Callable[[str], None]
PLACES = (FILE, LINK, RING)  # of the descriptors that a child is given
CANNOT_FORK = 71  # exit status of a child that never was; EX_OSERR of sysexits.h


def serve(main: Main) -> None:
    """Fork a child that calls ``main(task)`` for each task, until the parent and all children are gone."""
    loop = _Loop(main)
    gc.collect()
    gc.freeze()  # a collection in a child would write to, and so copy, what all share
    while loop.accepting or loop.children:
        loop.step()


class _Loop:
    def __init__(self, main: Main) -> None:
        self.accepting = True
        self.children: dict[int, socket.socket] = {}  # process id → where its end is reported
        self._main = main
        self._control = socket.socket(fileno=0)
        self._wake, waker = socket.socketpair()
        for end in (self._wake, waker):
            end.setblocking(False)
        self._waker = waker
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the parent's business
        signal.signal(signal.SIGCHLD, lambda *_: None)  # it only has to wake the loop
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._control, selectors.EVENT_READ, self._accept)
        self._selector.register(self._wake, selectors.EVENT_READ, self._reap)

    def step(self) -> None:
        for key, _ in self._selector.select():
            key.data()

    def _accept(self) -> None:
        text, received, _, _ = socket.recv_fds(self._control, MAX_TASK, len(PLACES) + 1)
        if not received:  # the parent is gone, or wants no more children
            self._selector.unregister(self._control)
            self.accepting = False
            return
        report, descriptors = socket.socket(fileno=received[0]), received[1:]
        try:
            child = os.fork()
        except OSError:
            _tell(report, CANNOT_FORK, 0.0)
        else:
            if not child:
                self._become_child(text.decode(), descriptors)
            self.children[child] = report
            self._selector.register(report, selectors.EVENT_READ, lambda: self._kill(child))
        for descriptor in descriptors:
            os.close(descriptor)

    def _kill(self, child: int) -> None:
        """Its parent has closed the report's other end, or is gone: nobody waits for this child.

        It may have ended by itself at the same moment, and have been reaped a line ago.
        """
        if child not in self.children:
            return
        self._selector.unregister(self.children[child])
        os.kill(child, signal.SIGKILL)  # not reaped yet, so the number is still its own

    def _reap(self) -> None:
        self._wake.recv(1 << 12)
        while self.children:
            child, status, usage = os.wait4(-1, os.WNOHANG)
            if not child:
                return
            report = self.children.pop(child)
            if report in self._selector.get_map():
                self._selector.unregister(report)
            _tell(report, os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime)

    def _become_child(self, text: str, descriptors: list[int]) -> None:
        """Never returns. The loop's own sockets stay referenced, or they would close numbers used anew."""
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for descriptor, place in zip(descriptors, PLACES, strict=False):
                os.dup2(descriptor, place)
            given = PLACES[: len(descriptors)]
            for number in (int(entry.name) for entry in list(Path("/proc/self/fd").iterdir())):
                if number > 2 and number not in given:
                    with suppress(OSError):  # the listing's own is closed by now
                        os.close(number)
            self._main(text)
        finally:
            os._exit(1)


def _tell(report: socket.socket, status: int, cpu_s: float) -> None:
    with report, suppress(OSError):  # who asked may be gone
        report.send(ENDED.pack(status, cpu_s))
