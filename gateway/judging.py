"""A request's way to its answer: which server, which pipeline, and what happens when either fails."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from gateway.errors import told_by_server
from gateway.health import HealthMonitor
from gateway.measures import Measures
from gateway.pipelines import Pipeline, Record, Role, Routing
from gateway.servers import WORKFLOW_PATH, Pool, Server
from gateway.settings import GatewaySettings
from gateway.upload import Upload
from gateway.upstream import Ask, Upstream
from outofsync_client import (
    AuthenticationError,
    BadOptionsError,
    BusyError,
    ConnectionLostError,
    MediaError,
    OutOfSyncError,
    UnreachableError,
    WorkerDiedError,
)

DEBLUR_PATH = "/predictions/deblur"
PAUSE_S = 0.5  # before a request is sent again; TorchServe takes a second to notice that a worker died
GONE = (UnreachableError, ConnectionLostError)

logger = logging.getLogger("gateway")
T = TypeVar("T")


@dataclass(frozen=True)
class Verdict:
    """A result, and who gave it."""

    result: dict[str, Any]
    server: Server
    pipeline: str
    role: Role
    attempts: int


class Judge:
    """Judges uploads; every failure comes out as an ``EdgeError``."""

    def __init__(
        self,
        settings: GatewaySettings,
        pool: Pool,
        monitor: HealthMonitor,
        upstream: Upstream,
        measures: Measures,
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._monitor = monitor
        self._upstream = upstream
        self._measures = measures
        self._records = {server.name: Record(server.state) for server in pool.servers}

    def record(self, server: Server) -> Record:
        return self._records[server.name]

    async def judge(self, ask: Ask, upload: Upload) -> Verdict:
        """The verdict of the promoted pipeline, or of the canary where the request is in its share."""

        async def once(server: Server, attempt: int) -> Verdict:
            routing = self.record(server).routing()
            canary = routing.canary
            if canary and not canary.shadow and canary.takes(ask.request_id):
                verdict = await self._by_canary(server, canary.pipeline, ask, upload, attempt)
                if verdict:
                    return verdict
            result = await self._upstream.json(server, WORKFLOW_PATH, ask, upload)
            return Verdict(result, server, routing.promoted, "promoted", attempt)

        verdict = await self.persist(once, upload)
        self._measures.pipeline_requests.labels(verdict.pipeline, verdict.role).inc()
        self._measures.verdicts.labels(verdict.pipeline, verdict.role, verdict.result.get("verdict")).inc()
        return verdict

    def routing(self, server: Server) -> Routing:
        return self.record(server).routing()

    async def by_pipeline(
        self, server: Server, pipeline: Pipeline, ask: Ask, upload: Upload
    ) -> dict[str, Any]:
        """What one pipeline says, node by node; raises the client's errors."""
        first, second = pipeline.paths()
        clip = await self._upstream.content(server, first, ask, upload)
        return await self._upstream.json(server, second, ask, clip)

    async def _by_canary(
        self, server: Server, pipeline: Pipeline, ask: Ask, upload: Upload, attempt: int
    ) -> Verdict | None:
        """The canary's verdict; None where it failed in a way that is its own fault, not the file's."""
        try:
            result = await self.by_pipeline(server, pipeline, ask, upload)
        except (MediaError, BadOptionsError):
            raise
        except OutOfSyncError as error:
            logger.warning("request %s: canary %s failed (%s)", ask.request_id, pipeline.name, error.code)
            self._measures.retries.labels(server.name, f"canary_{error.code}").inc()
            if not upload.repeatable:
                raise
            return None
        return Verdict(result, server, pipeline.name, "canary", attempt)

    async def persist(self, once: Callable[[Server, int], Awaitable[T]], upload: Upload) -> T:
        """Ask until there is an answer that no repetition would better; raises ``EdgeError``."""
        failed: Server | None = None
        renewed = False
        attempt = 0
        started = time.monotonic()
        while True:
            attempt += 1
            try:
                async with self._pool.server(
                    queue_s=self._settings.queue_s, patience_s=self._settings.patience_s, avoid=failed
                ) as server:
                    try:
                        answer = await once(server, attempt)
                        await self._monitor.note_answer(server)
                        return answer
                    except OutOfSyncError as error:
                        if isinstance(error, GONE):
                            await self._monitor.recheck(server)
                        elif error.stage:  # where in the workflow: the server has worked on it
                            await self._monitor.note_answer(server)
                        renewable = isinstance(error, AuthenticationError) and not renewed
                        passing = isinstance(error, (*GONE, WorkerDiedError, BusyError)) and error.repeatable
                        if not upload.repeatable or not (renewable or passing):
                            raise
                        if attempt > self._settings.repeats + renewed:
                            raise
                        if time.monotonic() - started > self._settings.repeat_s:
                            raise
                        renewed = renewed or renewable
                        failed = server
                        self._measures.retries.labels(server.name, error.code).inc()
                        logger.warning("server %s: %s; the request is sent again", server.name, error.code)
            except OutOfSyncError as error:
                raise told_by_server(error) from None
            await asyncio.sleep(PAUSE_S)
