"""The routes that take a video and wait for what becomes of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse, Response, StreamingResponse

from gateway.access import EVERYBODY, Access
from gateway.job_routes import JobRoutes, preferences
from gateway.metrics import Metrics
from gateway.progress import RequestTracker, TrackedRequest
from gateway.request_context import RequestContext
from gateway.routing import Prediction, Router
from gateway.servers import Server
from gateway.shadow import Shadow
from gateway.turns import Turns
from gateway.upload import Upload
from outofsync_client.protocol import PIPELINE_HEADER, RESPOND_ASYNC

LEGACY_FIELDS = ("score", "label", "verdict", "probability_fake", "id")  # the first two, and a little more
VIDEO_TYPE = "video/mp4"

logger = logging.getLogger("gateway")


@dataclass(frozen=True)
class VideoRoutes:
    """What is answered to a caller who sends a video of at most ``max_bytes`` and stays."""

    router: Router
    shadow: Shadow
    access: Access
    turns: Turns
    tracker: RequestTracker
    metrics: Metrics
    jobs: JobRoutes
    max_bytes: int

    async def detect(self, context: RequestContext) -> Response:
        """The result, as the workflow gives it; a job, where the caller would rather not wait for that."""
        if RESPOND_ASYNC in preferences(context):
            return await self.jobs.submit_detect(context)
        return await self._detect(context, lambda result: result)

    async def detect_legacy(self, context: RequestContext) -> Response:
        """The result in the words of older systems."""
        named = {"request_id": context.request_id}
        return await self._detect(
            context, lambda result: {name: result.get(name) for name in LEGACY_FIELDS} | named
        )

    async def _detect(
        self, context: RequestContext, shape: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> Response:
        holder = context.authenticate(self.access)
        request, upload = context.upstream_request(self.max_bytes)
        tracked = self._track(context, holder, upload)
        await self._turn(context, holder, upload)
        kept = False
        try:
            work = self.router.detect(request, upload, tracked)
            prediction = await context.cancel_on_disconnect(work, upload)
            self._note_prediction(context, prediction)
            if pipeline := self.shadow.candidate_for(prediction):
                kept = self.shadow.compare(pipeline, prediction, request, upload)
        finally:
            self._note_upload(context, upload)
            if not kept:
                upload.close()
        headers = {PIPELINE_HEADER: prediction.pipeline} if prediction.pipeline else {}
        return JSONResponse(shape(prediction.result), headers=headers)

    async def deblur(self, context: RequestContext) -> Response:
        """The video with sharper faces, passed on as it comes."""
        holder = context.authenticate(self.access)
        request, upload = context.upstream_request(self.max_bytes)
        tracked = self._track(context, holder, upload)
        await self._turn(context, holder, upload)

        def on_attempt(server: Server, number: int) -> None:
            context.log_fields |= {"server": server.name, "attempts": number}

        answer = self.router.deblur(request, upload, tracked, on_attempt)
        opening = context.resources.enter_async_context(answer)
        try:
            video = await context.cancel_on_disconnect(opening, upload)
        finally:
            self._note_upload(context, upload)
            upload.close()
        headers = {} if video.length is None else {"Content-Length": str(video.length)}
        return StreamingResponse(video.chunks, media_type=VIDEO_TYPE, headers=headers)

    async def _turn(self, context: RequestContext, holder: str, upload: Upload) -> None:
        """Wait until it is this caller's turn, which lasts until the answer has been sent."""
        if holder == EVERYBODY:  # nobody can be told from anybody else
            return
        turn = context.resources.enter_async_context(self.turns.of(holder))
        try:
            await context.cancel_on_disconnect(turn, upload)
        except BaseException:
            upload.close()
            raise

    def _track(self, context: RequestContext, holder: str, upload: Upload) -> TrackedRequest:
        """Let the request be followed from now on, until its answer has been sent."""
        tracked = self.tracker.begin(holder, context.request_id, upload, context.length)
        context.resources.callback(
            lambda: self.tracker.end(holder, context.request_id, tracked, context.status)
        )
        return tracked

    def _note_prediction(self, context: RequestContext, prediction: Prediction) -> None:
        context.log_fields |= {
            "server": prediction.server.name,
            "pipeline": prediction.pipeline,
            "role": prediction.role,
            "attempts": prediction.attempts,
            "verdict": prediction.result.get("verdict"),
        }

    def _note_upload(self, context: RequestContext, upload: Upload) -> None:
        """Say so where no disk could hold an upload: it could not have been sent again."""
        if not upload.repeatable:
            self.metrics.unrepeatable.inc()
            logger.warning("request %s: there was no room to keep its upload", context.request_id)
