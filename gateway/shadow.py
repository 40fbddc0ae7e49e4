"""Judging a file a second time by a pipeline on trial, once its caller has the answer."""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.background import TaskSupervisor
from gateway.judging import Judge, Verdict
from gateway.measures import Measures
from gateway.pipelines import Pipeline
from gateway.servers import Pool
from gateway.upload import Upload
from gateway.upstream import Ask
from outofsync_client import OutOfSyncError

LOG = "shadow.jsonl"
OLD_LOG = "shadow.jsonl.1"
MOST_LOG_BYTES = 50_000_000
COMPARED = ("verdict", "probability_fake", "score")

logger = logging.getLogger("gateway")


class Shadow:
    """A few comparisons at a time, in places that callers leave free; the rest is dropped and counted."""

    def __init__(
        self, judge: Judge, pool: Pool, tasks: TaskSupervisor, measures: Measures, *, at_once: int
    ) -> None:
        self._judge = judge
        self._pool = pool
        self._tasks = tasks
        self._measures = measures
        self._at_once = at_once
        self._running = 0

    def wants(self, verdict: Verdict) -> Pipeline | None:
        """The pipeline that is to judge this file again, None for none."""
        canary = self._judge.routing(verdict.server).canary
        if canary is None or not canary.shadow or verdict.role != "promoted":
            return None
        return canary.pipeline if canary.takes(verdict.result.get("id", "")) else None

    def compare(self, pipeline: Pipeline, verdict: Verdict, ask: Ask, upload: Upload) -> bool:
        """Judge the upload again in the background; False where there is no room, and the upload is left."""
        repeatable = upload.complete and upload.repeatable
        if not repeatable or self._running >= self._at_once or not self._pool.take(verdict.server):
            self._measures.shadows_dropped.inc()
            return False
        self._running += 1
        work = self._in_its_place(pipeline, verdict, ask, upload)
        self._tasks.run("shadow", work, about=f"request {ask.request_id}")
        return True

    async def _in_its_place(self, pipeline: Pipeline, verdict: Verdict, ask: Ask, upload: Upload) -> None:
        try:
            with upload:
                await self._compare(pipeline, verdict, ask, upload)
        finally:
            self._running -= 1
            await self._pool.release(verdict.server)

    async def _compare(self, pipeline: Pipeline, verdict: Verdict, ask: Ask, upload: Upload) -> None:
        try:
            result = await self._judge.by_pipeline(verdict.server, pipeline, ask, upload)
        except OutOfSyncError as error:
            result = {"verdict": f"error:{error.code}"}
        self._count(pipeline, verdict.result, result)
        line = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "request_id": ask.request_id,
            "id": verdict.result.get("id"),
            "promoted": {"pipeline": verdict.pipeline, **_compared(verdict.result)},
            "candidate": {"pipeline": pipeline.name, **_compared(result)},
        }
        append(verdict.server.state, line)

    def _count(self, pipeline: Pipeline, promoted: dict[str, Any], candidate: dict[str, Any]) -> None:
        agrees = promoted.get("verdict") == candidate.get("verdict")
        self._measures.pipeline_requests.labels(pipeline.name, "shadow").inc()
        self._measures.verdicts.labels(pipeline.name, "shadow", candidate.get("verdict")).inc()
        self._measures.comparisons.labels(pipeline.name, str(agrees).lower()).inc()
        before, after = promoted.get("probability_fake"), candidate.get("probability_fake")
        if before is not None and after is not None:
            self._measures.difference.labels(pipeline.name).observe(abs(before - after))


def _compared(result: dict[str, Any]) -> dict[str, Any]:
    return {name: result.get(name) for name in COMPARED}


def append(folder: Path, line: dict[str, Any]) -> None:
    """One comparison more; a log that has grown large makes room for a new one."""
    path = folder / LOG
    try:
        if path.exists() and path.stat().st_size > MOST_LOG_BYTES:
            path.replace(folder / OLD_LOG)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "a") as file:
            file.write(json.dumps(line) + "\n")
    except OSError as error:
        logger.warning("a comparison could not be written: %s", error.strerror)
