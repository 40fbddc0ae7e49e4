"""The gateway's routes."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from gateway.background import TaskSupervisor
from gateway.endpoint import Endpoint, Work, said
from gateway.errors import edge_error
from gateway.health import HealthMonitor
from gateway.judging import Judge, Verdict
from gateway.keys import KeyFile
from gateway.listing import describe_pipelines
from gateway.measures import Measures
from gateway.openapi import DOCUMENT
from gateway.servers import Pool, Server
from gateway.settings import GatewaySettings
from gateway.shadow import Shadow
from gateway.upload import Upload
from gateway.upstream import Upstream
from gateway.visit import OTHER_ROUTE, Visit

logger = logging.getLogger("gateway")
PIPELINE_HEADER = "X-OutOfSync-Pipeline"
OLD_ANSWER = (
    "score",
    "label",
    "verdict",
    "probability_fake",
    "id",
)  # what older systems read, and a little more
VIDEO = "video/mp4"


@dataclass
class Gateway:
    """One gateway's parts, and what it answers at each route."""

    settings: GatewaySettings
    measures: Measures
    pool: Pool
    monitor: HealthMonitor
    tasks: TaskSupervisor
    upstream: Upstream
    judge: Judge
    shadow: Shadow
    keys: KeyFile | None
    stops_at: float = math.inf  # by time.monotonic, once it is to stop

    @classmethod
    def build(cls, settings: GatewaySettings, client: httpx.AsyncClient) -> Gateway:
        measures = Measures()
        names = [str(number) for number in range(1, len(settings.states) + 1)]
        servers = [Server(state, name) for state, name in zip(settings.states, names, strict=True)]
        pool = Pool(servers, measures, in_flight=settings.in_flight)
        monitor = HealthMonitor(pool, client)
        tasks = TaskSupervisor(measures)
        upstream = Upstream(client, settings.answer_s)
        judge = Judge(settings, pool, monitor, upstream, measures)
        shadow = Shadow(judge, pool, tasks, measures, at_once=settings.shadows)
        keys = KeyFile(settings.keys) if settings.keys else None
        return cls(settings, measures, pool, monitor, tasks, upstream, judge, shadow, keys)

    @property
    def draining(self) -> bool:
        return self.stops_at < math.inf

    def drain(self) -> None:
        """Be ready no longer; what is under way has ``drain_s`` seconds from now on."""
        self.stops_at = min(self.stops_at, time.monotonic() + self.settings.drain_s)

    async def detect(self, visit: Visit) -> Response:
        """The result, as the workflow gives it."""
        return await self._judged(visit, lambda result: result)

    async def detect_as_before(self, visit: Visit) -> Response:
        """The result in the words of older systems."""
        named = {"request_id": visit.request_id}
        return await self._judged(
            visit, lambda result: {name: result.get(name) for name in OLD_ANSWER} | named
        )

    async def _judged(self, visit: Visit, shape: Callable[[dict[str, Any]], dict[str, Any]]) -> Response:
        visit.authenticate(self.keys)
        ask, upload = visit.ask(self.settings.request_bytes)
        kept = False
        try:
            verdict = await visit.unless_hung_up(self.judge.judge(ask, upload), upload)
            self._note(visit, verdict)
            if pipeline := self.shadow.wants(verdict):
                kept = self.shadow.compare(pipeline, verdict, ask, upload)
        finally:
            self._note_upload(visit, upload)
            if not kept:
                upload.close()
        headers = {PIPELINE_HEADER: verdict.pipeline} if verdict.pipeline else {}
        return JSONResponse(shape(verdict.result), headers=headers)

    def _note_upload(self, visit: Visit, upload: Upload) -> None:
        """Say so where no disk could hold an upload: it could not have been sent again."""
        if not upload.repeatable:
            self.measures.unrepeatable.inc()
            logger.warning("request %s: there was no room to keep its upload", visit.request_id)

    def _note(self, visit: Visit, verdict: Verdict) -> None:
        visit.facts |= {
            "server": verdict.server.name,
            "pipeline": verdict.pipeline,
            "role": verdict.role,
            "attempts": verdict.attempts,
            "verdict": verdict.result.get("verdict"),
        }

    async def deblur(self, visit: Visit) -> Response:
        """The video with sharper faces, passed on as it comes."""
        visit.authenticate(self.keys)
        ask, upload = visit.ask(self.settings.request_bytes)

        def begun(server: Server, attempt: int) -> None:
            visit.facts |= {"server": server.name, "attempts": attempt}

        opened = visit.resources.enter_async_context(self.judge.deblur(ask, upload, begun))
        try:
            video = await visit.unless_hung_up(opened, upload)
        finally:
            self._note_upload(visit, upload)
            upload.close()
        headers = {} if video.length is None else {"Content-Length": str(video.length)}
        return StreamingResponse(video.chunks, media_type=VIDEO, headers=headers)

    async def health(self, _: Visit) -> Response:
        """Whether a request would be judged; no key is needed to ask, and nothing is told but that."""
        servers = [{"server": server.name, "ready": server.up} for server in self.pool.servers]
        ready = not self.draining and any(server.up for server in self.pool.servers)
        values = {"status": "ready" if ready else "not_ready", "servers": servers}
        return JSONResponse(values, status_code=200 if ready else 503)

    async def models(self, visit: Visit) -> Response:
        """Which pipelines there are, and which of them serves whom."""
        visit.authenticate(self.keys)
        listed = [
            describe_pipelines(server.name, self.judge.record(server).values())
            for server in self.pool.servers
        ]
        return JSONResponse({"servers": listed})

    async def document(self, _: Visit) -> Response:
        """The OpenAPI document."""
        return JSONResponse(DOCUMENT)

    def app(self) -> Starlette:
        routes = [
            self._route("POST", "/v1/detect", self.detect),
            self._route("POST", "/v1/deblur", self.deblur),
            self._route("GET", "/v1/health", self.health),
            self._route("GET", "/v1/models", self.models),
            self._route("GET", "/v1/openapi.json", self.document),
            self._route("POST", "/detect", self.detect_as_before),
        ]
        return Starlette(
            routes=routes,
            exception_handlers={HTTPException: self._elsewhere},
            lifespan=self._lifespan,
        )

    def _route(self, method: str, path: str, work: Work) -> Route:
        endpoint = Endpoint(path, work, self.measures, lambda: self.draining)
        return Route(path, endpoint, methods=[method])

    async def _elsewhere(self, request: Request, failure: Exception) -> Response:
        """An address that is not there, or is asked in another way."""
        assert isinstance(failure, HTTPException)
        visit = Visit(request, OTHER_ROUTE, self.measures)
        if failure.status_code == 405:
            allowed = (failure.headers or {}).get("Allow", "")
            error = edge_error("method_not_allowed", 405, f"this address takes {allowed}", Allow=allowed)
        else:
            error = edge_error("not_found", 404, "there is nothing at this address")
        visit.status, visit.code = error.status, error.code
        visit.end(complete=True)
        return said(error, visit.request_id)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        for server in self.pool.servers:
            watch = partial(self.monitor.watch, server, self.settings.health_s)
            self.tasks.keep_running(f"watch-{server.name}", watch)
        try:
            yield
        finally:
            self.drain()
            await self.tasks.finish(self.stops_at - time.monotonic())
