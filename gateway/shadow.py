"""Judging a file a second time by a pipeline on trial, once its caller has the answer."""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.background import TaskSupervisor
from gateway.metrics import Metrics
from gateway.pipelines import Pipeline
from gateway.routing import Prediction, Router
from gateway.servers import Pool, Server
from gateway.upload import Upload
from gateway.upstream import UpstreamRequest
from outofsync_client import OutOfSyncError
from outofsync_client.protocol import OLD_SHADOW_FILE, SHADOW_FILE

MAX_LOG_BYTES = 50_000_000
COMPARED = ("verdict", "probability_fake", "score")

logger = logging.getLogger("gateway")


class Shadow:
    """A few comparisons at a time, in places that callers leave free; the rest is dropped and counted."""

    def __init__(
        self, router: Router, pool: Pool, tasks: TaskSupervisor, metrics: Metrics, *, max_concurrent: int
    ) -> None:
        self._router = router
        self._pool = pool
        self._tasks = tasks
        self._metrics = metrics
        self._max_concurrent = max_concurrent
        self._running = 0

    def candidate_for(self, prediction: Prediction) -> Pipeline | None:
        """The pipeline that is to judge this file again, None for none."""
        canary = self._router.record(prediction.server).routing().canary
        if canary is None or not canary.shadow or prediction.role != "promoted":
            return None
        return canary.pipeline if canary.includes(prediction.result.get("id", "")) else None

    def compare(
        self, pipeline: Pipeline, prediction: Prediction, request: UpstreamRequest, upload: Upload
    ) -> bool:
        """Judge the upload again in the background; False where there is no room, and the upload is left."""
        repeatable = upload.complete and upload.repeatable
        room = repeatable and self._running < self._max_concurrent
        if not (room and self._pool.try_reserve(prediction.server)):
            self._metrics.shadows_dropped.inc()
            return False
        self._running += 1
        work = self._compare(pipeline, prediction, request, upload)
        self._tasks.run("shadow", work, about=f"request {request.request_id}")
        return True

    async def _compare(
        self, pipeline: Pipeline, prediction: Prediction, request: UpstreamRequest, upload: Upload
    ) -> None:
        try:
            with upload:
                result = await self._candidate_result(pipeline, prediction.server, request, upload)
        finally:
            self._running -= 1
            await self._pool.release(prediction.server)
        self._count(pipeline, prediction.result, result)
        line = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "request_id": request.request_id,
            "id": prediction.result.get("id"),
            "promoted": {"pipeline": prediction.pipeline, **_compared(prediction.result)},
            "candidate": {"pipeline": pipeline.name, **_compared(result)},
        }
        append_line(prediction.server.state, line)

    async def _candidate_result(
        self, pipeline: Pipeline, server: Server, request: UpstreamRequest, upload: Upload
    ) -> dict[str, Any]:
        try:
            return await self._router.by_pipeline(server, pipeline, request, upload)
        except OutOfSyncError as error:
            return {"verdict": f"error:{error.code}"}

    def _count(self, pipeline: Pipeline, promoted: dict[str, Any], candidate: dict[str, Any]) -> None:
        agrees = promoted.get("verdict") == candidate.get("verdict")
        self._metrics.pipeline_requests.labels(pipeline.name, "shadow").inc()
        self._metrics.verdicts.labels(pipeline.name, "shadow", candidate.get("verdict")).inc()
        self._metrics.comparisons.labels(pipeline.name, str(agrees).lower()).inc()
        before, after = promoted.get("probability_fake"), candidate.get("probability_fake")
        if before is not None and after is not None:
            self._metrics.difference.labels(pipeline.name).observe(abs(before - after))


def _compared(result: dict[str, Any]) -> dict[str, Any]:
    return {name: result.get(name) for name in COMPARED}


def append_line(folder: Path, line: dict[str, Any]) -> None:
    """One comparison more; a log that has grown large makes room for a new one."""
    path = folder / SHADOW_FILE
    try:
        if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
            path.replace(folder / OLD_SHADOW_FILE)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "a") as file:
            file.write(json.dumps(line) + "\n")
    except OSError as error:
        logger.warning("a comparison could not be written: %s", error.strerror)
