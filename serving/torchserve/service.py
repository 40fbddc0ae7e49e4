"""TorchServe as a service: loaded, tried, declared ready; then its tokens change and its threads are counted.

TorchServe loads no workflow at start, is "healthy" without one, and resets open connections when it is
terminated; this fills those gaps.
"""

from __future__ import annotations

import os
import sys
import time

from serving.settings import ServeError, ServerSettings
from serving.state import StateFolder
from serving.supervisor import Check
from serving.torchserve.draining import drain
from serving.torchserve.leftovers import Leftovers
from serving.torchserve.ports import Ports, choosing, reserved_ports
from serving.torchserve.server import Server

MAX_THREADS = 2000  # of Java: each request that a worker dies under leaves one or two behind for ever


class TorchServe:
    """One life of TorchServe after the other, on the same ports where they are free."""

    def __init__(self, settings: ServerSettings, folder: StateFolder) -> None:
        self._settings = settings
        self._folder = folder
        self._server: Server | None = None
        self._ports: Ports | None = None
        self._leftovers = Leftovers(settings.leftover_s)
        self._rotation_asked = False
        self._rotated_at = 0.0

    def __str__(self) -> str:
        return "TorchServe"

    def start(self, check: Check) -> None:
        with choosing(check), reserved_ports(self._settings.port, self._ports) as ports:
            self._ports = ports
            server = self._server = Server(self._settings, self._folder, ports)
            server.start()
            server.wait_for(server.listen, check)
        self._folder.publish(server.wait_for(server.load, check))
        self._rotated_at = time.monotonic()

    def watch(self) -> str | None:
        server = self._server
        if server is None:
            return "TorchServe does not run"
        if (code := server.exit_code()) is not None:
            return f"TorchServe ended by itself (exit code {code})"
        if self._rotation_asked or time.monotonic() - self._rotated_at >= self._settings.rotate_s:
            self._rotation_asked = False
            self._rotated_at = time.monotonic()
            self._rotate(server)
        self._leftovers.sweep(server.temporary, server.is_idle)
        if (threads := server.threads()) > MAX_THREADS:
            self.stop(drained=True)
            return f"TorchServe had {threads} threads, most of them lost"
        return None

    def stop(self, *, drained: bool) -> None:
        ready = self._folder.server_file.exists()
        self._folder.withdraw()
        if (server := self._server) is not None:
            if drained and ready:
                drain(server.process.pid, server.ports.inference, server.temporary, self._settings.drain_s)
            server.stop()
            self._server = None
        self._folder.end_life()
        self._folder.record(os.getpid())

    def ask_for_rotation(self, *_: object) -> None:
        """Let tokens change at the next turn; a signal handler."""
        self._rotation_asked = True

    def _rotate(self, server: Server) -> None:
        """New tokens, published at once; a failure leaves the old ones, and the next turn tries again."""
        try:
            self._folder.publish(server.rotate())
        except (ServeError, OSError) as error:
            sys.stderr.write(f"tokens were not changed: {error}\n")
