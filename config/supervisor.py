"""Runs one TorchServe: loads the workflow, tries it, declares it ready, changes its tokens, starts it anew
when it dies, and drains it at the end.

TorchServe loads no workflow at start, is "healthy" without one, and resets open connections when it is
terminated; this process fills those gaps and is what a service manager should run.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import deque
from typing import NoReturn

from config import java, notify
from config.draining import drain
from config.management import POLL_S
from config.ports import Ports, choose_ports, choosing
from config.server import Server
from config.settings import ServeError, ServerSettings
from config.state import StateFolder

CRASHES = 5  # TorchServe may end by itself so often …
CRASHES_S = 600.0  # … in so many seconds; then starting it anew is no help
LONGEST_PAUSE_S = 10.0
MOST_THREADS = 2000  # of Java: each request that a worker dies under leaves one or two behind for ever


class Supervisor:
    """One server from start to end, through as many lives of TorchServe as it takes."""

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.folder = StateFolder(settings.state)
        self.server: Server | None = None
        self.rotate_now = False

    def run(self) -> NoReturn:
        """Serve until terminated, then exit; raises :class:`ServeError` where the server fails for good."""
        if running := self.folder.supervisor():
            raise ServeError(f"a server runs from {self.folder.path} already (process {running.pid})")
        java.check_device(self.settings.device)
        self.folder.create()
        for terminator in (signal.SIGTERM, signal.SIGINT):
            signal.signal(terminator, lambda *_: sys.exit(0))
        signal.signal(signal.SIGHUP, self._ask_for_rotation)
        try:
            self._keep_serving()
        finally:
            for terminator in (signal.SIGTERM, signal.SIGINT):
                signal.signal(terminator, signal.SIG_IGN)
            self._end()

    def _ask_for_rotation(self, *_: object) -> None:
        self.rotate_now = True

    def _keep_serving(self) -> NoReturn:
        """One life after the other."""
        crashes: deque[float] = deque(maxlen=CRASHES)
        ports: Ports | None = None
        while True:
            try:
                ports = self._live(ports)
            except ServeError as error:
                if ports is None:
                    raise  # it never served: whoever starts it has to know
                sys.stderr.write(f"{error}\n")
            self._clean_up(drained=False)
            crashes.append(time.monotonic())
            if len(crashes) == CRASHES and crashes[-1] - crashes[0] < CRASHES_S:
                raise ServeError(f"TorchServe ended {CRASHES} times in {crashes[-1] - crashes[0]:.0f} s")
            time.sleep(min(LONGEST_PAUSE_S, 0.5 * 2.0 ** (len(crashes) - 1)))

    def _live(self, before: Ports | None) -> Ports:
        """From Java's start to its end; returns where it listened. On the same ports as before if it can."""
        self.folder.clear()
        self.folder.record(os.getpid())
        with choosing():
            ports = choose_ports(self.settings.port, before)
            server = self.server = Server(self.settings, self.folder, ports)
            server.wait()
        self.folder.publish(server.load())
        notify.ready()
        self._watch(server)
        return ports

    def _watch(self, server: Server) -> None:
        """Until TorchServe ends; meanwhile tokens change, and threads are counted."""
        rotated = time.monotonic()
        while (code := server.process.poll()) is None:
            due = time.monotonic() - rotated >= self.settings.rotate_s
            if due or self.rotate_now:
                self.rotate_now = False
                rotated = time.monotonic()
                self._rotate(server)
            if (threads := server.threads()) > MOST_THREADS:
                sys.stderr.write(f"TorchServe has {threads} threads, most of them lost; it is started anew\n")
                self._clean_up(drained=True)
                return
            time.sleep(POLL_S)
        sys.stderr.write(f"TorchServe ended by itself (exit code {code}); it is started anew\n")

    def _rotate(self, server: Server) -> None:
        """New tokens, published at once; a failure leaves the old ones, and the next turn tries again."""
        try:
            self.folder.publish(server.rotate())
        except ServeError as error:
            sys.stderr.write(f"tokens were not changed: {error}\n")

    def _clean_up(self, *, drained: bool) -> None:
        """Take no new callers; let requests under way finish where asked to; leave nothing but the log."""
        self.folder.withdraw()
        if (server := self.server) is not None:
            if drained:
                drain(server.process.pid, server.ports.inference, server.temporary, self.settings.drain_s)
            server.stop()
            self.server = None
        self.folder.clear()

    def _end(self) -> None:
        notify.stopping()
        self._clean_up(drained=self.folder.server_file.exists())
