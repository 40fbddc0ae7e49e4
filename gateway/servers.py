"""The servers behind the gateway: where they are, how busy, and whether they answer."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx

from gateway.errors import busy
from gateway.measures import Measures
from outofsync_client._state import STATE_FILE, RunningServer, read_state

DOWN_S = 0.5  # between two probes of a server that is down
PROBE_S = 60.0  # a busy server takes its time
FAILED_PROBES = 3  # in a row, before a server that still listens is called down
WORKFLOW_PATH = "/wfpredict/deepfake"

logger = logging.getLogger("gateway")


class Server:
    """One TorchServe, by its state folder."""

    def __init__(self, state: Path, name: str) -> None:
        self.state = state
        self.name = name
        self.in_progress = 0
        self.up = False
        self.doubted = asyncio.Event()  # someone found it down: probe it now
        self._read: tuple[float, RunningServer] | None = None

    def address(self) -> RunningServer | None:
        """Where it is now, None where it is not ready."""
        path = self.state / STATE_FILE
        try:
            changed = path.stat().st_mtime_ns
            if self._read is None or self._read[0] != changed:
                self._read = (changed, read_state(self.state))
        except (FileNotFoundError, LookupError):
            self._read = None
            return None
        return self._read[1]


class Pool:
    """Chooses a server for each request, and knows which of them answer."""

    def __init__(
        self, servers: Sequence[Server], client: httpx.AsyncClient, measures: Measures, *, in_flight: int
    ) -> None:
        self.servers = list(servers)
        self._client = client
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
            await self._count(server, -1)

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

    async def _count(self, server: Server, change: int) -> None:
        async with self._changed:
            self._note(server, change)
            self._changed.notify_all()

    def _note(self, server: Server, change: int) -> None:
        server.in_progress += change
        self._measures.server_in_progress.labels(server.name).set(server.in_progress)

    async def mark(self, server: Server, *, up: bool) -> None:
        """Note whether a server answers."""
        async with self._changed:
            if server.up != up:
                logger.warning("server %s is %s", server.name, "up" if up else "down")
            server.up = up
            self._measures.server_up.labels(server.name).set(int(up))
            self._changed.notify_all()

    async def doubt(self, server: Server) -> None:
        """Someone found a server down: no request goes there until a probe, made at once, is answered."""
        await self.mark(server, up=False)
        server.doubted.set()

    async def watch(self, every_s: float) -> None:
        """Probe every server for ever; one that is down more often, so that it is back at once."""
        await asyncio.gather(*(self._watch(server, every_s) for server in self.servers))

    async def _watch(self, server: Server, every_s: float) -> None:
        failed = 0
        while True:
            answered = await self.probe(server)
            if answered is not None:
                failed = 0 if answered else failed + 1
                if answered or failed >= FAILED_PROBES or server.address() is None:
                    await self.mark(server, up=answered)
            server.doubted.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(server.doubted.wait(), every_s if server.up else min(DOWN_S, every_s))

    async def probe(self, server: Server) -> bool | None:
        """Whether an empty file is refused as empty: both nodes work. None where a busy server takes long."""
        address = server.address()
        if address is None:
            return False
        try:
            response = await self._client.post(
                address.url + WORKFLOW_PATH,
                content=b"",
                headers={
                    "Authorization": f"Bearer {address.token}",
                    "Content-Type": "application/octet-stream",
                },
                timeout=PROBE_S,
            )
            return bool(response.json()["error"]["code"] == "empty_file")
        except httpx.ReadTimeout:
            return None
        except (httpx.HTTPError, json.JSONDecodeError, KeyError, TypeError):
            return False
