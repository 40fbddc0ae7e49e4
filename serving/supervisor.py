"""Runs services from their start to their end: starts them anew when they end, and stops them in order.

A signal leaves a note, which is read between two steps. An exception out of its handler could fall between a
process's start and the line that remembers the process, which would then outlive its supervisor.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Protocol

from serving.settings import ServeError

WATCH_S = 0.2  # between two looks at services that run
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0  # before a service is started anew; twice as long each time
TERMINATORS = (signal.SIGTERM, signal.SIGINT)

Check = Callable[[], object]


class Service(Protocol):
    """What a supervisor runs."""

    def start(self, check: Check) -> None:
        """Start it, and wait until it is of use; ``stop`` follows, also where this raises.

        ``check`` is called while waiting, and raises where someone has asked for the end.
        Raises :class:`ServeError` where the service does not start.
        """

    def watch(self) -> str | None:
        """Do what is due while it runs; a sentence where it has to be started anew, None where it goes on."""

    def stop(self, *, drained: bool) -> None:
        """Leave nothing of it running; with ``drained``, requests under way are answered first."""


@dataclass(frozen=True)
class Restarts:
    """How often a service may end in so many seconds (None: any number of times) before that is an error."""

    limit: int | None = 5
    within_s: float = 600.0


class Supervisor:
    """Services from start to end, through as many restarts of each as it takes."""

    def __init__(self, services: Sequence[Service], restarts: Restarts, *, status: str = "serving") -> None:
        self._services = [_Supervised(service, restarts) for service in services]
        self._status = status
        self._asked_to_stop = False

    def run(self) -> None:
        """Start all and watch them; SystemExit once they have ended because somebody asked for it.

        Raises :class:`ServeError` where a service does not start at first, or ends too often.
        """
        for terminator in TERMINATORS:
            signal.signal(terminator, self._ask_to_stop)
        with ExitStack() as stopping:  # the last to start is the first to be stopped
            try:
                for one in self._services:
                    stopping.callback(one.service.stop, drained=True)
                    one.service.start(self._check)
                tell_manager(f"READY=1\nSTATUS={self._status}")
                while True:
                    for one in self._services:
                        one.turn(self._check)
                    self._check()
                    time.sleep(WATCH_S)
            finally:
                for terminator in TERMINATORS:
                    signal.signal(terminator, signal.SIG_IGN)
                tell_manager("STOPPING=1")

    def _ask_to_stop(self, *_: object) -> None:
        self._asked_to_stop = True

    def _check(self) -> None:
        if self._asked_to_stop:
            sys.exit(0)


@dataclass
class _Supervised:
    """A service, and how it has fared."""

    service: Service
    restarts: Restarts
    ended: deque[float] = field(default_factory=deque)  # when, lately
    due: float | None = None  # when it is started anew; None while it runs

    def turn(self, check: Check) -> None:
        """What is to be done for the service now."""
        try:
            if self.due is None:
                reason = self.service.watch()
            elif time.monotonic() < self.due:
                return
            else:
                self.due = reason = None
                self.service.start(check)
        except ServeError as error:
            reason = str(error)
        except Exception:  # whatever it was that went wrong, the next start may do better
            reason = traceback.format_exc().strip()
        if reason is not None:
            self._end(reason)

    def _end(self, reason: str) -> None:
        """Stop what is left, and settle when it starts anew; raises :class:`ServeError` once too often."""
        sys.stderr.write(f"{reason}\n")
        self.service.stop(drained=False)
        now = time.monotonic()
        self.ended.append(now)
        while now - self.ended[0] > self.restarts.within_s:
            self.ended.popleft()
        count = len(self.ended)
        if self.restarts.limit is not None and count >= self.restarts.limit:
            raise ServeError(f"{self.service} ended {count} times in {now - self.ended[0]:.0f} s")
        pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** (count - 1))
        sys.stderr.write(f"{self.service} is started anew in {pause:g} s\n")
        self.due = now + pause


def tell_manager(message: str) -> None:
    """Tell systemd how the services are (sd_notify), where it asked to be told."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.sendto(message.encode(), address)
