"""A request's way to its answer: which server, which pipeline, and what happens when either fails."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from gateway.errors import told_by_server
from gateway.health import HealthMonitor
from gateway.measures import Measures
from gateway.pipelines import Pipeline, Record, Role, Routing
from gateway.servers import WORKFLOW_PATH, Pool, Server
from gateway.settings import GatewaySettings
from gateway.upload import Upload
from gateway.upstream import Ask, Upstream, Video
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
# One attempt: of a server and the attempt's number, an answer for as long as it is needed.
Once = Callable[[Server, int], AbstractAsyncContextManager[T]]


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

        @asynccontextmanager
        async def once(server: Server, attempt: int) -> AsyncIterator[Verdict]:
            yield await self._verdict(server, attempt, ask, upload)

        async with self.persist(once, upload) as verdict:
            self._measures.pipeline_requests.labels(verdict.pipeline, verdict.role).inc()
            said = verdict.result.get("verdict")
            self._measures.verdicts.labels(verdict.pipeline, verdict.role, said).inc()
            return verdict

    async def _verdict(self, server: Server, attempt: int, ask: Ask, upload: Upload) -> Verdict:
        routing = self.record(server).routing()
        canary = routing.canary
        if canary and not canary.shadow and canary.takes(ask.request_id):
            verdict = await self._by_canary(server, canary.pipeline, ask, upload, attempt)
            if verdict:
                return verdict
        result = await self._upstream.json(server, WORKFLOW_PATH, ask, upload)
        return Verdict(result, server, routing.promoted, "promoted", attempt)

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

    @asynccontextmanager
    async def deblur(
        self, ask: Ask, upload: Upload, begun: Callable[[Server, int], None]
    ) -> AsyncIterator[Video]:
        """A video with sharper faces, and a place at its server meanwhile; ``begun`` hears each attempt."""

        @asynccontextmanager
        async def once(server: Server, attempt: int) -> AsyncIterator[Video]:
            begun(server, attempt)
            async with self._upstream.video(server, DEBLUR_PATH, ask, upload) as video:
                yield video

        async with self.persist(once, upload) as video:
            yield video

    @asynccontextmanager
    async def persist(self, once: Once[T], upload: Upload) -> AsyncIterator[T]:
        """Ask until there is an answer that no repetition would better; raises ``EdgeError``.

        The answer's server counts the request as under way for as long as the block lasts.
        """
        async with AsyncExitStack() as held:
            yield await self._answer(once, upload, held)

    async def _answer(self, once: Once[T], upload: Upload, held: AsyncExitStack) -> T:
        repeats = _Repeats(self._settings)
        while True:
            async with AsyncExitStack() as attempt:
                place = self._pool.server(
                    queue_s=self._settings.queue_s,
                    patience_s=self._settings.patience_s,
                    avoid=repeats.failed,
                )
                server = await attempt.enter_async_context(place)
                try:
                    answer = await attempt.enter_async_context(once(server, repeats.attempt))
                except OutOfSyncError as error:
                    await self._note_failure(server, error)
                    if not upload.repeatable or not repeats.again(server, error):
                        raise told_by_server(error) from None
                    self._measures.retries.labels(server.name, error.code).inc()
                    logger.warning("server %s: %s; the request is sent again", server.name, error.code)
                else:
                    await self._monitor.note_answer(server)
                    await held.enter_async_context(attempt.pop_all())
                    return answer
            await asyncio.sleep(PAUSE_S)

    async def _note_failure(self, server: Server, error: OutOfSyncError) -> None:
        """What a failed request tells of its server."""
        if isinstance(error, GONE):
            await self._monitor.recheck(server)
        elif error.stage:  # where in the workflow: the server has worked on it
            await self._monitor.note_answer(server)


class _Repeats:
    """Whether a request that failed is sent again."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.attempt = 1
        self.failed: Server | None = None  # where the last attempt did
        self._settings = settings
        self._renewed = False
        self._started = time.monotonic()

    def again(self, server: Server, error: OutOfSyncError) -> bool:
        """True for a failure that another attempt may better, as long as attempts and time are left."""
        renewable = isinstance(error, AuthenticationError) and not self._renewed
        passing = isinstance(error, (*GONE, WorkerDiedError, BusyError)) and error.repeatable
        if not (renewable or passing) or self.attempt > self._settings.repeats + self._renewed:
            return False
        if time.monotonic() - self._started > self._settings.repeat_s:
            return False
        self._renewed = self._renewed or renewable
        self.attempt += 1
        self.failed = server
        return True
