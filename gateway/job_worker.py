"""The work on a job: its file is judged by the gateway's own router, as any request's is."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from gateway.errors import EdgeError, internal
from gateway.job_log import JobLog
from gateway.jobs.job import AwayError, Finding, Job, LaterError, Progress, Run, State
from gateway.progress import TrackedRequest
from gateway.routing import Router
from gateway.upload import Upload
from gateway.upstream import UpstreamRequest
from outofsync_client.protocol import EDGE_STAGE, ErrorCode

if TYPE_CHECKING:
    from gateway.jobs.desk import Desk

FOLLOW_S = 0.5  # between two looks at a run: whether anybody waits, and how far it is
MOST_ATTEMPTS = 3000  # at one job, at which gateways or servers have died or were away: some hours of them
SEGMENTS_S = 2.0  # between two looks at what is scored
MAX_CRASHES = 3  # of servers, over one job: then it is the file's fault

logger = logging.getLogger("gateway")


@dataclass(eq=False)
class _UnderWay:
    """A run in this gateway."""

    tracked: TrackedRequest
    abandoned: asyncio.Event = field(default_factory=asyncio.Event)


class JobWorker:
    """Does what the engine calls for, and ends it at once where nobody waits any more."""

    def __init__(self, router: Router, log: JobLog) -> None:
        self._router = router
        self._log = log
        self._under_way: dict[str, _UnderWay] = {}

    async def work(self, desk: Desk, id: str) -> Finding | None:
        """Judge a job's file and keep what was found; None where it has ended otherwise.

        Raises ``LaterError`` where it is to be tried again.
        """
        try:
            run = await asyncio.to_thread(desk.call, desk.store.start, id, desk.name)
            if run is None:
                return None
            self._log.note(run.job)
            finding = await self._attempt(desk, run) if run.attempt <= MOST_ATTEMPTS else _given_up(run.job)
            if finding is None or not await asyncio.to_thread(desk.call, desk.store.finish, run, finding):
                return None
        except AwayError as error:
            raise LaterError(str(error)) from None
        desk.uploads.remove(id)
        with suppress(AwayError):  # whoever keeps house finds it
            await asyncio.to_thread(desk.call, desk.announce, run.job)
        self._log.note(run.job, finding.state)
        return finding

    def abandon(self, id: str) -> None:
        """Nobody waits for a job any more: whoever works on it is freed."""
        if under_way := self._under_way.get(id):
            under_way.abandoned.set()

    async def _attempt(self, desk: Desk, run: Run) -> Finding | None:
        """What becomes of one run; None where nobody waits for it any more."""
        try:
            upload = Upload.stored(desk.uploads.path(run.job.id))
        except OSError:
            return _failed(run.job, internal("the upload is no longer there"))
        with upload:
            under_way = self._under_way[run.job.id] = _UnderWay(_tracked(upload, run))
            judging = asyncio.ensure_future(self._judge(desk, run, upload, under_way.tracked))
            following = asyncio.ensure_future(self._follow(desk, run, under_way))
            try:
                await asyncio.wait({judging, following}, return_when=asyncio.FIRST_COMPLETED)
                return judging.result() if judging.done() else None
            finally:
                del self._under_way[run.job.id]
                for task in (judging, following):
                    task.cancel()
                await asyncio.gather(judging, following, return_exceptions=True)

    async def _was_bad_luck(self, desk: Desk, run: Run, error: EdgeError) -> bool:
        """Whether a server has died over a job, which has not happened to it too often."""
        if error.code != ErrorCode.INTERNAL or error.error["stage"] != EDGE_STAGE:
            return False
        crashes = await asyncio.to_thread(desk.call, desk.store.crashed, run)
        return crashes < MAX_CRASHES

    async def _judge(self, desk: Desk, run: Run, upload: Upload, tracked: TrackedRequest) -> Finding:
        job = run.job
        request = UpstreamRequest(job.request_id, {"content-type": job.body_type}, job.size)
        try:
            prediction = await self._router.detect(request, upload, tracked)
        except EdgeError as error:
            if error.code == ErrorCode.BUSY or await self._was_bad_luck(desk, run, error):
                raise LaterError(error.code) from None
            return _failed(job, error)
        except Exception:
            logger.exception("job %s failed", job.id)
            return _failed(job, internal("the gateway failed on this job"))
        result = prediction.result
        return Finding(
            State.DONE,
            result=json.dumps(result),
            verdict=result.get("verdict"),
            label=result.get("label"),
            pipeline=prediction.pipeline or None,
        )

    async def _follow(self, desk: Desk, run: Run, under_way: _UnderWay) -> None:
        """Note how far a run is; returns once nobody waits for it any more."""
        told, read = None, _Segments(under_way.tracked)
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(under_way.abandoned.wait(), FOLLOW_S)
                return
            state = under_way.tracked.state()
            progress = Progress(state.stage, state.done, state.remaining_s, *read.new())
            look = partial(desk.store.holds, run)
            if progress != told:
                look = partial(desk.store.tell, run, progress)
            with suppress(AwayError):
                if not await asyncio.to_thread(desk.call, look):
                    return
                told = replace(progress, segments=None)


class _Segments:
    """Those of one run, read where there are new ones, and not all the time."""

    def __init__(self, tracked: TrackedRequest) -> None:
        self._tracked = tracked
        self._bytes = self._count = 0
        self._due = 0.0

    def new(self) -> tuple[int, str | None]:
        """How many are scored, and all of them as JSON, if that is other than before."""
        told = self._tracked.segment_bytes()
        if told == self._bytes or time.monotonic() < self._due:
            return self._count, None
        self._bytes, self._due = told, time.monotonic() + SEGMENTS_S
        segments = self._tracked.segments()
        self._count = len(segments)
        return self._count, json.dumps(segments)


def _tracked(upload: Upload, run: Run) -> TrackedRequest:
    return TrackedRequest(upload, run.job.size, keeps_segments=True)


def _given_up(job: Job) -> Finding:
    return _failed(job, internal("too many gateways have failed on this job"))


def _failed(job: Job, error: EdgeError) -> Finding:
    return Finding(State.FAILED, error=error.envelope(job.request_id)["error"])
