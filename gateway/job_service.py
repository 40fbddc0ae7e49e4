"""Jobs as the gateway's routes deal with them: taken, asked for, waited for, ended."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from gateway.callback_sender import CallbackSender, RefusedError
from gateway.errors import bad_options, busy
from gateway.job_body import JobBody, Wishes
from gateway.job_engine import JobEngine
from gateway.job_log import JobLog
from gateway.jobs.job import Job, State, Submission, new_id
from gateway.metrics import Metrics
from gateway.routing import Router
from gateway.settings import GatewaySettings

if TYPE_CHECKING:  # the engine costs time and threads, and most gateways have no jobs
    from gateway.jobs.callbacks import Attempt
    from gateway.jobs.desk import Desk
    from gateway.jobs.pieces import Pieces, PieceStore

LOOK_S = 0.25  # between two looks at a job that another gateway may be working on
SELDOM_S = 2.0  # the same where no other may

logger = logging.getLogger("gateway")
P = ParamSpec("P")
T = TypeVar("T")


class JobService:
    """Every method raises ``EdgeError``: ``busy`` where the database is away."""

    def __init__(self, settings: GatewaySettings, router: Router, metrics: Metrics) -> None:
        self._router = router
        self._log = JobLog(metrics)
        self._sender = CallbackSender(settings.jobs.callbacks, settings.jobs.callbacks_ca)
        self.engine = JobEngine(settings, router, self._sender, self._log)
        self.keep, self.close = self.engine.keep, self.engine.close

    async def submit(self, holder: str, request_id: str, body: JobBody, wishes: Wishes) -> Job:
        """Take a job for good: once this returns it will end, whatever is killed."""
        desk = await self._admitted(holder, wishes)
        id = new_id()
        try:
            size = await desk.uploads.keep(id, body.chunks())
        except OSError as error:
            logger.error("an upload could not be kept (%s)", error.strerror)
            raise busy("there is no room to keep the upload") from None
        with self._kept(desk, id):
            body.check_file()
            submission = Submission(
                holder=holder,
                request_id=request_id,
                sha256=body.sha256,
                size=size,
                body_type=body.type,
                options=body.options,
                file=body.file(wishes.file),
                priority=wishes.priority,
                pipeline=self._router.pipeline(),
                callback=wishes.callback,
                idempotency=body.idempotency,
            )
            return await self._take(desk, id, submission, wishes)

    async def submit_pieces(
        self, holder: str, request_id: str, idempotency: str | None, pieces: Pieces, wishes: Wishes
    ) -> Job:
        """The same of an upload in pieces; raises ``bad_options`` for one that is not complete."""
        desk = await self._admitted(holder, wishes)
        if (offset := await asyncio.to_thread(desk.pieces.offset, pieces)) < pieces.length:
            raise bad_options(f"the upload is not complete: {offset} of {pieces.length} bytes are here")
        id = new_id()
        with self._kept(desk, id):
            sha256, size = await asyncio.to_thread(desk.pieces.close, pieces, desk.uploads.path(id))
            submission = Submission(
                holder=holder,
                request_id=request_id,
                sha256=sha256,
                size=size,
                body_type=pieces.body_type,
                options=pieces.options,
                file=wishes.file or pieces.file,
                priority=wishes.priority,
                pipeline=self._router.pipeline(),
                callback=wishes.callback,
                idempotency=idempotency or pieces.id,  # of one upload there is one job
            )
            job = await self._take(desk, id, submission, wishes)
        await self.engine.call(desk.pieces.remove, pieces.id)
        return job

    async def pieces(self) -> PieceStore:
        """Where uploads in pieces lie."""
        return (await self.engine.opened()).pieces

    async def call(self, work: Callable[P, T], *words: P.args, **named: P.kwargs) -> T:
        """What takes milliseconds and blocks."""
        return await self.engine.call(work, *words, **named)

    async def _admitted(self, holder: str, wishes: Wishes) -> Desk:
        """The engine, for somebody who may hand in a job more."""
        desk = await self.engine.opened()
        await self.engine.call(desk.check_room, holder)
        if wishes.callback is not None:
            await self._check_callback(desk, holder, wishes.callback)
        return desk

    @contextmanager
    def _kept(self, desk: Desk, id: str) -> Iterator[None]:
        """A job's file goes where the job is not taken.

        Where the database died just then it may be kept all the same; without its upload it will fail, and
        nobody was told that it was taken.
        """
        try:
            yield
        except BaseException:
            desk.uploads.remove(id)
            raise

    async def _take(self, desk: Desk, id: str, submission: Submission, wishes: Wishes) -> Job:
        take = partial(desk.take, reuse=not wishes.fresh, idle=self.engine.idle)
        job = await self.engine.call(take, id, submission)
        self._log.note(job, State.DONE if job.answered_by else State.RECEIVED)
        return job

    async def job(self, id: str, holder: str) -> Job | None:
        """A holder's job."""
        desk = await self.engine.opened()
        return await self.engine.call(desk.store.get, id, holder)

    async def by_key(self, holder: str, idempotency: str) -> Job | None:
        """A holder's job that was handed in under this key of idempotency."""
        desk = await self.engine.opened()
        return await self.engine.call(desk.store.by_key, holder, idempotency)

    async def result(self, id: str) -> dict[str, Any] | None:
        """A job's result, None where it has none."""
        desk = await self.engine.opened()
        text = await self.engine.call(desk.store.result, id)
        return None if text is None else json.loads(text)

    async def segments(self, id: str) -> list[dict[str, Any]]:
        """What a job that runs has scored so far."""
        desk = await self.engine.opened()
        text = await self.engine.call(desk.store.segments, id)
        return [] if text is None else json.loads(text)

    async def page(
        self, holder: str, limit: int, before: str | None, filters: Mapping[str, str | None]
    ) -> list[Job]:
        """A holder's jobs, newest first."""
        desk = await self.engine.opened()
        return await self.engine.call(desk.store.page, holder, limit, before, filters)

    async def wait(self, id: str, holder: str, within_s: float) -> Job | None:
        """A holder's job, once it has ended, or as it is after so many seconds."""
        deadline = time.monotonic() + within_s
        # Without a database that is shared, its end is heard of here.
        every_s = LOOK_S if self.engine.shared else min(SELDOM_S, within_s)
        async for job in self.looks(id, holder, every_s):
            if job is None or not job.unfinished or time.monotonic() > deadline:
                return job
        raise AssertionError("looks never end by themselves")

    async def looks(self, id: str, holder: str, every_s: float = LOOK_S) -> AsyncIterator[Job | None]:
        """A holder's job as it is, again and again; at once when it has ended here."""
        with self.engine.told_of_end(id) as ended:
            while True:
                yield await self.job(id, holder)
                with suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), every_s)

    async def cancel(self, job: Job) -> bool:
        """End a job before its time, wherever it is worked on; False where it has ended already."""
        desk = await self.engine.opened()
        if not await self.engine.call(desk.cancel, job.id):
            return False
        self.engine.abandon(job.id)
        self._log.note(job, State.CANCELLED)
        return True

    async def forget(self, job: Job) -> None:
        """Remove every trace of a job that has ended."""
        desk = await self.engine.opened()
        await self.engine.call(desk.forget, [job.id])

    async def new_secret(self, holder: str) -> str:
        """The secret that signs a holder's callbacks from now on."""
        desk = await self.engine.opened()
        return await self.engine.call(desk.callbacks.new_secret, holder)

    async def attempts(self, job: Job) -> list[Attempt]:
        """The attempts to call back about a job."""
        desk = await self.engine.opened()
        return await self.engine.call(desk.callbacks.attempts, job.id)

    async def _check_callback(self, desk: Desk, holder: str, url: str) -> None:
        """Raises ``bad_options`` for one that would never be made."""
        try:
            self._sender.check(url)
        except RefusedError as error:
            raise bad_options(str(error)) from None
        if not await self.engine.call(desk.callbacks.secrets, holder):
            raise bad_options("this key has no secret to sign callbacks with; ask for one first")
