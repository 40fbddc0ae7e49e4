"""A request's way to its response: which server, which pipeline, and what happens when either fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from gateway.errors import error_from_server
from gateway.health import HealthMonitor
from gateway.metrics import Metrics
from gateway.pipelines import Pipeline, Role, RolloutRecord
from gateway.progress import TrackedRequest
from gateway.retries import GONE, RetryState
from gateway.servers import Pool, Server
from gateway.settings import GatewaySettings
from gateway.upload import Upload
from gateway.upstream import Upstream, UpstreamRequest, Video
from outofsync_client import BadOptionsError, MediaError, OutOfSyncError
from outofsync_client.protocol import TORCHSERVE

PAUSE_S = 0.5  # before a request is sent again; TorchServe takes a second to notice that a worker died

logger = logging.getLogger("gateway")
T = TypeVar("T")
# Of a server and the attempt's number (from 1), a response for as long as it is needed.
Attempt = Callable[[Server, int], AbstractAsyncContextManager[T]]


@dataclass(frozen=True)
class Prediction:
    """A result, and who gave it."""

    result: dict[str, Any]
    server: Server
    pipeline: str  # "" where the server keeps no roll-out record
    role: Role
    attempts: int


class Router:
    """Chooses who works on a request; every failure comes out as an ``EdgeError``."""

    def __init__(
        self,
        settings: GatewaySettings,
        pool: Pool,
        monitor: HealthMonitor,
        upstream: Upstream,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._monitor = monitor
        self._upstream = upstream
        self._metrics = metrics
        self._records = {server.name: RolloutRecord(server.state) for server in pool.servers}

    def record(self, server: Server) -> RolloutRecord:
        """A server's roll-out record."""
        return self._records[server.name]

    def pipeline(self) -> str:
        """The pipeline that would judge a request now, "" where servers differ or do not say."""
        promoted = {self.record(server).routing().promoted for server in self._pool.servers if server.up}
        return promoted.pop() if len(promoted) == 1 else ""

    async def detect(self, request: UpstreamRequest, upload: Upload, tracked: TrackedRequest) -> Prediction:
        """What the promoted pipeline says, or the canary where the request is in its share."""

        @asynccontextmanager
        async def attempt(server: Server, number: int) -> AsyncIterator[Prediction]:
            with tracked.at(server) as progress:
                yield await self._predict(server, number, replace(request, progress=progress), upload)

        async with self.with_retries(attempt, upload) as prediction:
            labels = (prediction.pipeline, prediction.role)
            self._metrics.pipeline_requests.labels(*labels).inc()
            self._metrics.verdicts.labels(*labels, prediction.result.get("verdict")).inc()
            return prediction

    @asynccontextmanager
    async def deblur(
        self,
        request: UpstreamRequest,
        upload: Upload,
        tracked: TrackedRequest,
        on_attempt: Callable[[Server, int], None],
    ) -> AsyncIterator[Video]:
        """A video with sharper faces, in flight at its server for as long as the block lasts."""

        @asynccontextmanager
        async def attempt(server: Server, number: int) -> AsyncIterator[Video]:
            on_attempt(server, number)
            with tracked.at(server) as progress:
                followed = replace(request, progress=progress)
                async with self._upstream.video(server, TORCHSERVE.deblur, followed, upload) as video:
                    yield video

        async with self.with_retries(attempt, upload) as video:
            yield video

    async def by_pipeline(
        self, server: Server, pipeline: Pipeline, request: UpstreamRequest, upload: Upload
    ) -> dict[str, Any]:
        """What one pipeline says, node by node; raises the client's errors."""
        first, second = pipeline.paths()
        clip = await self._upstream.content(server, first, request, upload)
        return await self._upstream.json(server, second, request, clip)

    async def _predict(
        self, server: Server, attempt: int, request: UpstreamRequest, upload: Upload
    ) -> Prediction:
        routing = self.record(server).routing()
        canary = routing.canary
        if canary and not canary.shadow and canary.includes(request.request_id):
            result = await self._by_canary(server, canary.pipeline, request, upload)
            if result is not None:
                return Prediction(result, server, canary.pipeline.name, "canary", attempt)
        result = await self._upstream.json(server, TORCHSERVE.detect, request, upload)
        return Prediction(result, server, routing.promoted, "promoted", attempt)

    async def _by_canary(
        self, server: Server, pipeline: Pipeline, request: UpstreamRequest, upload: Upload
    ) -> dict[str, Any] | None:
        """The canary's result; None where it failed in a way that is its own fault, not the file's."""
        try:
            return await self.by_pipeline(server, pipeline, request, upload)
        except (MediaError, BadOptionsError):
            raise
        except OutOfSyncError as error:
            logger.warning("request %s: canary %s failed (%s)", request.request_id, pipeline.name, error.code)
            self._metrics.retries.labels(server.name, f"canary_{error.code}").inc()
            if not upload.repeatable:
                raise
            return None

    @asynccontextmanager
    async def with_retries(self, attempt: Attempt[T], upload: Upload) -> AsyncIterator[T]:
        """The response of the first attempt that no further one would better; raises ``EdgeError``.

        The request is in flight at the response's server for as long as the block lasts.
        """
        async with AsyncExitStack() as held:
            yield await self._until_answered(attempt, upload, held)

    async def _until_answered(self, attempt: Attempt[T], upload: Upload, held: AsyncExitStack) -> T:
        state = RetryState(self._settings)
        while True:
            async with AsyncExitStack() as opened:
                reservation = self._pool.reserved(
                    queue_s=self._settings.queue_s,
                    patience_s=self._settings.patience_s,
                    avoid=state.failed_server,
                )
                server = await opened.enter_async_context(reservation)
                try:
                    response = await opened.enter_async_context(attempt(server, state.attempt))
                except OutOfSyncError as error:
                    await self._note_failure(server, error)
                    if not (upload.repeatable and state.retries(server, error)):
                        raise error_from_server(error) from None
                    self._metrics.retries.labels(server.name, error.code).inc()
                    logger.warning("server %s: %s; the request is sent again", server.name, error.code)
                else:
                    await self._monitor.note_answer(server)
                    await held.enter_async_context(opened.pop_all())
                    return response
            await asyncio.sleep(PAUSE_S)

    async def _note_failure(self, server: Server, error: OutOfSyncError) -> None:
        """What a failed request tells of its server."""
        if isinstance(error, GONE):
            await self._monitor.recheck(server)
        elif error.stage:  # where in the workflow: the server has worked on it
            await self._monitor.note_answer(server)
