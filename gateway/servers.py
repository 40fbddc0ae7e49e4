"""The servers behind the gateway: where they are, how busy, and which of them takes a request."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.errors import busy
from gateway.metrics import Metrics
from gateway.pace import Pace
from outofsync_client.protocol import STATE_FILE
from outofsync_client.protocol.state import RunningServer, read_state

LOOK_S = 0.25  # between two looks for a server, where none is up

logger = logging.getLogger("gateway")


class Server:
    """One TorchServe, by its state folder."""

    def __init__(self, state: Path, name: str) -> None:
        self.state = state
        self.name = name
        self.in_flight = 0
        self.up = False
        self.pace = Pace()
        self._cached: tuple[float, RunningServer] | None = None

    def address(self) -> RunningServer | None:
        """Where it is now, with its tokens; None where it is not ready."""
        path = self.state / STATE_FILE
        try:
            changed = path.stat().st_mtime_ns
            if self._cached is None or self._cached[0] != changed:
                self._cached = (changed, read_state(self.state))
        except (OSError, LookupError):
            self._cached = None
            return None
        return self._cached[1]


class Pool:
    """Chooses a server for each request among those that are up, and keeps each from getting too many."""

    def __init__(self, servers: Sequence[Server], metrics: Metrics, *, max_in_flight: int) -> None:
        self.servers = list(servers)
        self._metrics = metrics
        self._max_in_flight = max_in_flight
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def reserved(
        self, *, queue_s: float, patience_s: float, avoid: Server | None = None
    ) -> AsyncIterator[Server]:
        """The least busy server that is up, for as long as the block lasts; rather not ``avoid``.

        Waits ``queue_s`` seconds where all are full, ``patience_s`` where none is up; raises ``busy`` then.
        """
        server = await self._reserve(queue_s, patience_s, avoid)
        try:
            yield server
        finally:
            await self.release(server)

    def try_reserve(self, server: Server) -> bool:
        """Reserve a place at this very server, to be released; False where none is free now."""
        if server.in_flight >= self._max_in_flight:
            return False
        self._count(server, 1)
        return True

    async def release(self, server: Server) -> None:
        """Give a reserved place back."""
        self._count(server, -1)
        async with self._changed:
            self._changed.notify_all()

    async def _reserve(self, queue_s: float, patience_s: float, avoid: Server | None) -> Server:
        started = time.monotonic()
        async with self._changed:
            while True:
                up = [server for server in self.servers if server.up and server.address()]
                free = [server for server in up if server.in_flight < self._max_in_flight]
                if free:
                    chosen = min(free, key=lambda server: (server is avoid, server.in_flight))
                    self._count(chosen, 1)
                    return chosen
                left = started + (queue_s if up else patience_s) - time.monotonic()
                if left <= 0:
                    raise busy("every server is busy" if up else "no server is ready")
                # Its file may be there again before anybody has noticed that it was gone, and told of it.
                pause = left if up else min(left, LOOK_S)
                try:
                    await asyncio.wait_for(self._changed.wait(), pause)
                except TimeoutError:
                    continue

    def _count(self, server: Server, change: int) -> None:
        server.in_flight += change
        self._metrics.server_in_progress.labels(server.name).set(server.in_flight)

    async def mark(self, server: Server, *, up: bool) -> None:
        """Note whether a server answers."""
        self._metrics.server_up.labels(server.name).set(int(up))
        if server.up == up:
            return
        server.up = up
        logger.warning("server %s is %s", server.name, "up" if up else "down")
        async with self._changed:
            self._changed.notify_all()
