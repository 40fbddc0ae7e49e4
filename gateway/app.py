"""The gateway's routes."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from gateway.access import Access, access_of
from gateway.background import TaskSupervisor
from gateway.endpoint import STOPPED, Endpoint, Work, error_response
from gateway.errors import method_not_allowed, no_such_request, not_found
from gateway.events import ARRIVAL_S, Places, events
from gateway.events import HEADERS as EVENTS_HEADERS
from gateway.events import MEDIA_TYPE as EVENTS_TYPE
from gateway.health import HealthMonitor
from gateway.job_routes import JobRoutes
from gateway.job_service import JobService
from gateway.metrics import Metrics
from gateway.openapi import DOCUMENT
from gateway.page_files import ROUTES as PAGE_ROUTES
from gateway.page_files import PageFiles
from gateway.pipelines import version_summary
from gateway.progress import RequestTracker
from gateway.progress_files import sweep
from gateway.reports import REQUEST_BYTES, Renderer
from gateway.request_context import RequestContext
from gateway.request_log import OTHER_ROUTE
from gateway.routing import Router
from gateway.servers import Pool, Server
from gateway.settings import GatewaySettings
from gateway.shadow import Shadow
from gateway.turns import Turns
from gateway.upload_routes import UploadRoutes
from gateway.upstream import Upstream
from gateway.video_routes import VideoRoutes
from outofsync_client.protocol import (
    EDGE,
    EDGE_CALLBACK_SECRET,
    EDGE_DOCUMENT,
    EDGE_EVENTS,
    EDGE_JOB,
    EDGE_JOB_EVENTS,
    EDGE_JOB_REPORT,
    EDGE_JOBS,
    EDGE_MODELS,
    EDGE_REPORT,
    EDGE_UPLOAD,
    EDGE_UPLOADS,
)

LEGACY_DETECT = "/detect"


@dataclass
class Gateway:
    """One gateway's parts, and what it answers at each route."""

    settings: GatewaySettings
    metrics: Metrics
    pool: Pool
    monitor: HealthMonitor
    tasks: TaskSupervisor
    router: Router
    shadow: Shadow
    access: Access
    page: PageFiles
    jobs: JobService
    turns: Turns
    tracker: RequestTracker = field(default_factory=RequestTracker)
    followers: Places = field(default_factory=Places)
    renderer: Renderer = field(default_factory=Renderer)
    stops_at: float = math.inf  # by time.monotonic, once it is to stop

    @classmethod
    def build(cls, settings: GatewaySettings, client: httpx.AsyncClient) -> Gateway:
        """A gateway that asks its servers with this client, which is the caller's to close."""
        metrics = Metrics()
        servers = [Server(state, str(number)) for number, state in enumerate(settings.states, start=1)]
        pool = Pool(servers, metrics, max_in_flight=settings.in_flight)
        monitor = HealthMonitor(pool, client)
        tasks = TaskSupervisor(metrics)
        router = Router(settings, pool, monitor, Upstream(client, settings.answer_s), metrics)
        shadow = Shadow(router, pool, tasks, metrics, max_concurrent=settings.shadows)
        access = access_of(settings)
        page = PageFiles(
            session=access.session,
            key_required=access.key_required,
            jobs=access.tells_callers_apart,
            request_bytes=settings.request_bytes,
        )
        jobs = JobService(settings, router, metrics)
        places, shared = settings.in_flight * len(servers), settings.shared * len(servers)
        turns = Turns(places, shared, metrics, alone_s=settings.queue_s)
        return cls(settings, metrics, pool, monitor, tasks, router, shadow, access, page, jobs, turns)

    @property
    def draining(self) -> bool:
        """Whether it is about to stop."""
        return self.stops_at < math.inf

    def drain(self) -> None:
        """Be ready no longer; what is in flight has ``drain_s`` seconds from now on."""
        self.stops_at = min(self.stops_at, time.monotonic() + self.settings.drain_s)

    async def events(self, context: RequestContext) -> Response:
        """How far a request is that the same caller has sent, or is about to."""
        holder = context.authenticate(self.access)
        request_id = context.request.path_params["id"]
        context.log_fields["about"] = request_id[:64]
        context.resources.enter_context(self.followers.one(holder))
        coming = self.tracker.find(holder, request_id, ARRIVAL_S, lambda: not self.draining)
        tracked = await context.cancel_on_disconnect(coming)
        if tracked is None:
            raise STOPPED if self.draining else no_such_request()
        return StreamingResponse(events(tracked), media_type=EVENTS_TYPE, headers=EVENTS_HEADERS)

    async def report(self, context: RequestContext) -> Response:
        """A result for people, or for other programs, as a file."""
        context.authenticate(self.access)
        with context.body(REQUEST_BYTES) as upload:
            report = await context.cancel_on_disconnect(self.renderer.render(upload), upload)
        return report.response()

    async def health(self, _: RequestContext) -> Response:
        """Whether a request would be judged; no key is needed to ask, and nothing is told but that."""
        servers = [{"server": server.name, "ready": server.up} for server in self.pool.servers]
        ready = not self.draining and any(server.up for server in self.pool.servers)
        values = {"status": "ready" if ready else "not_ready", "servers": servers}
        return JSONResponse(values, status_code=200 if ready else 503)

    async def models(self, context: RequestContext) -> Response:
        """Which pipelines there are, and which of them serves whom."""
        context.authenticate(self.access)
        summaries = [
            version_summary(server.name, self.router.record(server).read()) for server in self.pool.servers
        ]
        return JSONResponse({"servers": summaries})

    async def document(self, _: RequestContext) -> Response:
        """The OpenAPI document."""
        return JSONResponse(DOCUMENT)

    async def page_file(self, context: RequestContext) -> Response:
        """A file of the page, for everybody whom its session admits."""
        return self.page.response(context.request)

    def app(self) -> Starlette:
        """The ASGI application; its lifespan watches the servers."""
        most = self.settings.request_bytes
        jobs = JobRoutes(self.jobs, self.access, self.renderer, self.followers, max_bytes=most)
        videos = VideoRoutes(
            router=self.router,
            shadow=self.shadow,
            access=self.access,
            turns=self.turns,
            tracker=self.tracker,
            metrics=self.metrics,
            jobs=jobs,
            max_bytes=most,
        )
        uploads = UploadRoutes(self.jobs, self.access, max_bytes=most)
        routes = [
            self._route("POST", EDGE.detect, videos.detect),
            self._route("POST", EDGE.deblur, videos.deblur),
            self._route("POST", EDGE_REPORT, self.report),
            self._route("GET", EDGE_EVENTS, self.events),
            self._routes(EDGE_JOBS, GET=jobs.page, POST=jobs.submit),
            self._routes(EDGE_JOB, GET=jobs.get, DELETE=jobs.end),
            self._routes(EDGE_UPLOADS, OPTIONS=uploads.options, POST=uploads.create),
            self._routes(EDGE_UPLOAD, HEAD=uploads.head, PATCH=uploads.append, DELETE=uploads.remove),
            self._route("POST", EDGE_CALLBACK_SECRET, jobs.new_secret),
            self._route("GET", EDGE_JOB_EVENTS, jobs.events),
            self._route("GET", EDGE_JOB_REPORT, jobs.report),
            self._route("GET", EDGE.health, self.health),
            self._route("GET", EDGE_MODELS, self.models),
            self._route("GET", EDGE_DOCUMENT, self.document),
            self._route("POST", LEGACY_DETECT, videos.detect_legacy),
            *(self._route("GET", address, self.page_file) for address in PAGE_ROUTES),
        ]
        return Starlette(
            routes=routes,
            exception_handlers={HTTPException: self._unknown_route},
            lifespan=self._lifespan,
        )

    def _route(self, method: str, path: str, work: Work) -> Route:
        return self._routes(path, **{method: work})

    def _routes(self, path: str, **works: Work) -> Route:
        """An address that is asked in several ways."""

        async def work(context: RequestContext) -> Response:
            method = context.request.method
            return await works[method if method in works else "GET"](context)  # HEAD

        endpoint = Endpoint(path, work, self.metrics, admit=self.access.admit, draining=lambda: self.draining)
        return Route(path, endpoint, methods=list(works))

    async def _unknown_route(self, request: Request, failure: Exception) -> Response:
        """An address that is not there, or is asked in another way."""
        assert isinstance(failure, HTTPException)
        context = RequestContext(request, OTHER_ROUTE, self.metrics)
        allowed = ", ".join(sorted((failure.headers or {}).get("Allow", "").split(", ")))
        error = method_not_allowed(allowed) if failure.status_code == 405 else not_found()
        context.status, context.code = error.status, error.code
        context.end(complete=True)
        return error_response(error, context.request_id)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        for server in self.pool.servers:
            sweep(server.state, self.settings.answer_s)
            watch = partial(self.monitor.watch, server, self.settings.health_s)
            self.tasks.keep_running(f"watch-{server.name}", watch)
        self.tasks.keep_running("jobs", self.jobs.keep)
        try:
            yield
        finally:
            self.drain()
            await self.tasks.finish(self.stops_at - time.monotonic())
            await self.jobs.close()
            await self.renderer.close()
