"""Whether the servers are up. Busy is not dead: who works for minutes answers no probe meanwhile."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from enum import Enum, auto

import httpx

from gateway.servers import Pool, Server
from outofsync_client import BusyError, EmptyFileError
from outofsync_client.protocol import TORCHSERVE
from outofsync_client.protocol.answers import error_in

PROMPT_S = 2.0  # who has not answered a probe by then may be busy: the management port knows
PROBE_S = 60.0  # a probe that was given up stays in the server's queue, so that few are
MANAGEMENT_S = 5.0  # that port does nothing that takes long
DOWN_S = 0.5  # between two checks of a server that is down: back at once
MAX_FAULTS = 3  # in a row, before a server that still listens is called down
MANAGEMENT_PATH = "/workflows"


class Health(Enum):
    """What a check found."""

    WORKING = auto()  # an empty file is refused as empty: both nodes work
    BUSY = auto()  # it has no room for the probe, or has not come to it
    FAULTY = auto()  # the workflow answers something else
    ALIVE = auto()  # the management port answers
    SILENT = auto()  # it takes connections, and says nothing
    GONE = auto()  # nobody listens, or no server is ready


class HealthMonitor:
    """Watches the servers of a pool and marks them up or down."""

    def __init__(self, pool: Pool, client: httpx.AsyncClient) -> None:
        self._pool = pool
        self._client = client
        self._faults = dict.fromkeys((server.name for server in pool.servers), 0)
        self._found_down = {server.name: asyncio.Event() for server in pool.servers}
        self._rechecks: dict[str, asyncio.Task[Health]] = {}

    async def watch(self, server: Server, every_s: float) -> None:
        """Check a server for ever, every ``every_s`` seconds, or sooner while it is down."""
        found_down = self._found_down[server.name]
        while True:
            await self.check(server)
            with suppress(TimeoutError):
                await asyncio.wait_for(found_down.wait(), every_s if server.up else min(DOWN_S, every_s))
            found_down.clear()

    async def check(self, server: Server) -> None:
        """Probe the workflow; while that takes long, and where it breaks, ask the management port."""
        probe = asyncio.create_task(self._probe(server))
        try:
            while not (await asyncio.wait({probe}, timeout=PROMPT_S))[0]:
                await self._note(server, await self._ask_management(server))
            health = await probe
            if health is not Health.WORKING:
                management = await self._ask_management(server)
                if health is Health.BUSY or management is Health.GONE:
                    health = management
            await self._note(server, health)
        finally:
            probe.cancel()
            with suppress(asyncio.CancelledError):
                await probe

    async def recheck(self, server: Server) -> None:
        """A request found nobody, or lost its connection: is the server down? One check serves them all."""
        running = self._rechecks.get(server.name)
        if running is None or running.done():
            running = self._rechecks[server.name] = asyncio.create_task(self._ask_management(server))
        health = await asyncio.shield(running)
        await self._note(server, Health.GONE if health is Health.SILENT else health)
        if not server.up:
            self._found_down[server.name].set()

    async def note_answer(self, server: Server) -> None:
        """A request was answered: whatever checks found, the server is up."""
        await self._note(server, Health.WORKING)

    async def _note(self, server: Server, health: Health) -> None:
        if health in (Health.WORKING, Health.ALIVE):
            self._faults[server.name] = 0
            await self._pool.mark(server, up=True)
            return
        self._faults[server.name] += 1
        if health is Health.GONE or self._faults[server.name] >= MAX_FAULTS:
            await self._pool.mark(server, up=False)

    async def _probe(self, server: Server) -> Health:
        """What the workflow answers to an empty file."""
        if (address := server.address()) is None:
            return Health.GONE
        headers = {**_bearer(address.token), "Content-Type": "application/octet-stream"}
        try:
            response = await self._client.post(
                address.url + TORCHSERVE.detect, content=b"", headers=headers, timeout=PROBE_S
            )
            answer = response.json()
        except (httpx.ConnectError, httpx.InvalidURL, ValueError):
            return Health.FAULTY
        except httpx.HTTPError:
            return Health.BUSY
        error = error_in(response.status_code, answer if isinstance(answer, dict) else None, request_id="")
        if isinstance(error, BusyError):
            return Health.BUSY
        return Health.WORKING if isinstance(error, EmptyFileError) else Health.FAULTY

    async def _ask_management(self, server: Server) -> Health:
        """Whatever the management port answers, somebody does."""
        if (address := server.address()) is None:
            return Health.GONE
        try:
            await self._client.get(
                address.management_url + MANAGEMENT_PATH,
                headers=_bearer(address.management_token),
                timeout=MANAGEMENT_S,
            )
        except (httpx.ConnectError, httpx.InvalidURL, httpx.UnsupportedProtocol):
            return Health.GONE
        except httpx.HTTPError:
            return Health.SILENT
        return Health.ALIVE


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
