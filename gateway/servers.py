"""The servers behind the gateway: where they are, how busy, and which of them takes a request."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.errors import busy
from gateway.measures import Measures
from outofsync_client.protocol import STATE_FILE
from outofsync_client.protocol.state import RunningServer, read_state

WORKFLOW_PATH = "/wfpredict/deepfake"

logger = logging.getLogger("gateway")


class Server:
    """One TorchServe, by its state folder."""

    def __init__(self, state: Path, name: str) -> None:
        self.state = state
        self.name = name
        self.in_progress = 0
        self.up = False
        self._read: tuple[float, RunningServer] | None = None

    def address(self) -> RunningServer | None:
        """Where it is now, None where it is not ready."""
        path = self.state / STATE_FILE
        try:
            changed = path.stat().st_mtime_ns
            if self._read is None or self._read[0] != changed:
                self._read = (changed, read_state(self.state))
        except (OSError, LookupError):
            self._read = None
            return None
        return self._read[1]


class Pool:
    """Chooses a server for each request among those that are up, and keeps each from getting too many."""

    def __init__(self, servers: Sequence[Server], measures: Measures, *, in_flight: int) -> None:
        self.servers = list(servers)
        self._measures = measures
        self._in_flight = in_flight
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def server(
        self, *, queue_s: float, patience_s: float, avoid: Server | None = None
    ) -> AsyncIterator[Server]:
        """The least busy server that is up, for as long as the block lasts; rather not ``avoid``.

        Waits ``queue_s`` seconds where all are full, ``patience_s`` where none is up; raises ``busy`` then.
        """
        server = await self._free_server(queue_s, patience_s, avoid)
        try:
            yield server
        finally:
            await self.release(server)

    def take(self, server: Server) -> bool:
        """A place at this very server, where one is free now; it is to be released."""
        if server.in_progress >= self._in_flight:
            return False
        self._note(server, 1)
        return True

    async def release(self, server: Server) -> None:
        """Give a place back."""
        self._note(server, -1)
        async with self._changed:
            self._changed.notify_all()

    async def _free_server(self, queue_s: float, patience_s: float, avoid: Server | None) -> Server:
        started = time.monotonic()
        async with self._changed:
            while True:
                up = [server for server in self.servers if server.up and server.address()]
                free = [server for server in up if server.in_progress < self._in_flight]
                if free:
                    chosen = min(free, key=lambda server: (server is avoid, server.in_progress))
                    self._note(chosen, 1)
                    return chosen
                left = started + (queue_s if up else patience_s) - time.monotonic()
                if left <= 0:
                    raise busy("every server is busy" if up else "no server is ready")
                try:
                    await asyncio.wait_for(self._changed.wait(), left)
                except TimeoutError:
                    continue

    def _note(self, server: Server, change: int) -> None:
        server.in_progress += change
        self._measures.server_in_progress.labels(server.name).set(server.in_progress)

    async def mark(self, server: Server, *, up: bool) -> None:
        """Note whether a server answers."""
        self._measures.server_up.labels(server.name).set(int(up))
        if server.up == up:
            return
        server.up = up
        logger.warning("server %s is %s", server.name, "up" if up else "down")
        async with self._changed:
            self._changed.notify_all()
