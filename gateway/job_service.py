"""Jobs as the gateway's routes deal with them: taken, asked for, waited for, ended."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from gateway.callback_sender import CallbackSender, RefusedError
from gateway.errors import bad_options, busy, internal, reused_key, too_many_jobs
from gateway.job_body import JobBody, Wishes
from gateway.job_callbacks import call_back
from gateway.job_log import JobLog
from gateway.job_worker import JobWorker
from gateway.jobs.job import AwayError, FullError, Job, ReusedKeyError, State, Submission, new_id
from gateway.jobs.settings import FOLDER
from gateway.metrics import Metrics
from gateway.routing import Router
from gateway.settings import GatewaySettings

if TYPE_CHECKING:  # the engine costs time and threads, and most gateways have no jobs
    from gateway.jobs.callbacks import Attempt
    from gateway.jobs.desk import Desk
    from gateway.jobs.pieces import Pieces, PieceStore

AWAKE_S = 1.0  # between two looks for jobs of other gateways, where the engine does not run
LOOK_S = 0.25  # between two looks at a job that another gateway may be working on
SELDOM_S = 2.0  # the same where no other may

logger = logging.getLogger("gateway")
P = ParamSpec("P")
T = TypeVar("T")


class JobService:
    """Nothing of the engine is loaded before the first job, unless others may have handed some in.

    Every method raises ``EdgeError``: ``busy`` where the database is away.
    """

    def __init__(self, settings: GatewaySettings, router: Router, metrics: Metrics) -> None:
        self._chosen = settings.jobs
        self._folder = (settings.jobs.folder or settings.states[0] / FOLDER).absolute()
        self._router = router
        self._log = JobLog(metrics)
        self._worker = JobWorker(router, self._log)
        self._sender = CallbackSender(settings.jobs.callbacks, settings.jobs.callbacks_ca)
        self._name = f"{socket.gethostname()[:24]}-{os.getpid()}-{time.time_ns():x}"
        self._opening = asyncio.Lock()
        self._desk: Desk | None = None
        self._closed = False
        self._works: dict[str, asyncio.Future[None]] = {}  # that are under way, by their jobs
        self._ended: dict[str, set[asyncio.Event]] = {}  # of jobs that somebody here waits for

    async def keep(self) -> None:
        """For ever: keep house, once there are jobs."""
        while self._desk is None and not self._wanted():
            await asyncio.sleep(AWAKE_S)
        while True:
            desk = await self._opened()
            with suppress(AwayError):
                await asyncio.to_thread(desk.call, desk.keep_house, frozenset(self._works))
                self._log.note_waiting(await asyncio.to_thread(desk.call, desk.store.waiting))
            await asyncio.sleep(desk.round_s)

    async def close(self) -> None:
        """End the engine; what is under way is left to whoever comes next."""
        async with self._opening:
            self._closed = True
            if self._desk is not None:
                await asyncio.to_thread(self._desk.close)
            works = list(self._works.values())
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)

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
        await self.call(desk.pieces.remove, pieces.id)
        return job

    async def pieces(self) -> PieceStore:
        """Where uploads in pieces lie."""
        return (await self._opened()).pieces

    async def call(self, work: Callable[P, T], *words: P.args, **named: P.kwargs) -> T:
        """What takes milliseconds and blocks."""
        return await self._call(await self._opened(), work, *words, **named)

    async def _admitted(self, holder: str, wishes: Wishes) -> Desk:
        """The engine, for somebody who may hand in a job more."""
        desk = await self._opened()
        await self._call(desk, desk.check_room, holder)
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
        take = partial(desk.take, reuse=not wishes.fresh, idle=not self._works)
        job = await self._call(desk, take, id, submission)
        self._log.note(job, State.DONE if job.answered_by else State.RECEIVED)
        return job

    async def job(self, id: str, holder: str) -> Job | None:
        """A holder's job."""
        desk = await self._opened()
        return await self._call(desk, desk.store.get, id, holder)

    async def by_key(self, holder: str, idempotency: str) -> Job | None:
        """A holder's job that was handed in under this key of idempotency."""
        desk = await self._opened()
        return await self._call(desk, desk.store.by_key, holder, idempotency)

    async def result(self, id: str) -> dict[str, Any] | None:
        """A job's result, None where it has none."""
        desk = await self._opened()
        text = await self._call(desk, desk.store.result, id)
        return None if text is None else json.loads(text)

    async def segments(self, id: str) -> list[dict[str, Any]]:
        """What a job that runs has scored so far."""
        desk = await self._opened()
        text = await self._call(desk, desk.store.segments, id)
        return [] if text is None else json.loads(text)

    async def page(
        self, holder: str, limit: int, before: str | None, filters: Mapping[str, str | None]
    ) -> list[Job]:
        """A holder's jobs, newest first."""
        desk = await self._opened()
        return await self._call(desk, desk.store.page, holder, limit, before, filters)

    async def wait(self, id: str, holder: str, within_s: float) -> Job | None:
        """A holder's job, once it has ended, or as it is after so many seconds."""
        deadline = time.monotonic() + within_s
        # Without a database that is shared, its end is heard of here.
        every_s = LOOK_S if self._chosen.database is not None else min(SELDOM_S, within_s)
        async for job in self.looks(id, holder, every_s):
            if job is None or not job.unfinished or time.monotonic() > deadline:
                return job
        raise AssertionError("looks never end by themselves")

    async def looks(self, id: str, holder: str, every_s: float = LOOK_S) -> AsyncIterator[Job | None]:
        """A holder's job as it is, again and again; at once when it has ended here."""
        ended = asyncio.Event()
        waiting = self._ended.setdefault(id, set())
        waiting.add(ended)
        try:
            while True:
                yield await self.job(id, holder)
                with suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), every_s)
        finally:
            waiting.discard(ended)
            if not waiting:
                self._ended.pop(id, None)

    async def cancel(self, job: Job) -> bool:
        """End a job before its time, wherever it is worked on; False where it has ended already."""
        desk = await self._opened()
        if not await self._call(desk, desk.cancel, job.id):
            return False
        self._worker.abandon(job.id)
        self._tell_ended(job.id)
        self._log.note(job, State.CANCELLED)
        return True

    async def forget(self, job: Job) -> None:
        """Remove every trace of a job that has ended."""
        desk = await self._opened()
        await self._call(desk, desk.forget, [job.id])

    async def new_secret(self, holder: str) -> str:
        """The secret that signs a holder's callbacks from now on."""
        desk = await self._opened()
        return await self._call(desk, desk.callbacks.new_secret, holder)

    async def attempts(self, job: Job) -> list[Attempt]:
        """The attempts to call back about a job."""
        desk = await self._opened()
        return await self._call(desk, desk.callbacks.attempts, job.id)

    async def _check_callback(self, desk: Desk, holder: str, url: str) -> None:
        """Raises ``bad_options`` for one that would never be made."""
        try:
            self._sender.check(url)
        except RefusedError as error:
            raise bad_options(str(error)) from None
        if not await self._call(desk, desk.callbacks.secrets, holder):
            raise bad_options("this key has no secret to sign callbacks with; ask for one first")

    async def _call_back(self, id: str, number: int, last: bool) -> bool:
        """The engine calls for it."""
        desk = self._desk
        return desk is None or await call_back(desk, self._sender, self._log, id, number, last=last)

    async def _work(self, id: str) -> None:
        """The engine calls for it; where it does so twice, as it may after its database was away, both wait.

        Nor does the work end where the engine no longer waits for it: it may be the one whose word counts.
        """
        task = self._works.get(id)
        if task is None:
            task = self._works[id] = asyncio.ensure_future(self._worked(id))
            task.add_done_callback(partial(self._forget_work, id))
        await asyncio.shield(task)

    def _forget_work(self, id: str, task: asyncio.Future[None]) -> None:
        del self._works[id]
        if not task.cancelled():
            task.exception()  # it is the engine's to hear, if that still waits

    async def _worked(self, id: str) -> None:
        if self._desk is not None and await self._worker.work(self._desk, id):
            self._tell_ended(id)

    async def _opened(self) -> Desk:
        """The engine, started where it was not yet."""
        if self._desk is not None:
            return self._desk
        async with self._opening:
            if self._closed:
                raise busy("the gateway is stopping")
            if self._desk is None:
                try:
                    self._desk = await asyncio.to_thread(self._open, asyncio.get_running_loop())
                except Exception:
                    logger.exception("jobs cannot be kept for now")
                    raise busy("jobs cannot be kept for now") from None
            return self._desk

    def _open(self, loop: asyncio.AbstractEventLoop) -> Desk:
        from gateway.jobs.desk import Desk

        return Desk.open(
            self._chosen,
            self._folder,
            self._name,
            work=self._work,
            call_back=self._call_back,
            loop=loop,
            gave_up=self._gave_up,
        )

    def _gave_up(self, job: Job) -> dict[str, Any]:
        """What is said of a job that the engine has given up."""
        self._log.note(job, State.FAILED)
        error: dict[str, Any] = internal("the gateway failed on this job").envelope(job.request_id)["error"]
        return error

    async def _call(self, desk: Desk, work: Callable[P, T], *words: P.args, **named: P.kwargs) -> T:
        """What takes milliseconds and blocks."""
        try:
            return await asyncio.to_thread(partial(desk.call, work, *words, **named))
        except FullError as error:
            raise too_many_jobs(str(error)) from None
        except ReusedKeyError:
            raise reused_key() from None
        except AwayError as error:
            logger.warning("the database of jobs is away (%s)", error)
            raise busy("the database of jobs is away") from None

    def _wanted(self) -> bool:
        """Whether there may be jobs that nobody here has handed in."""
        return self._chosen.database is not None or self._folder.exists()

    def _tell_ended(self, id: str) -> None:
        for event in self._ended.get(id, ()):
            event.set()
