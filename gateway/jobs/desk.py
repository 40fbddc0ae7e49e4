"""Everything of jobs that lies somewhere: rows, files, places in the queue, and who shares the work."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from gateway.jobs.callbacks import Callbacks
from gateway.jobs.job import AwayError, Job, State, Submission, Waiting
from gateway.jobs.members import Members
from gateway.jobs.pieces import SUFFIX, PieceStore
from gateway.jobs.queue import JobQueue, Known
from gateway.jobs.settings import UPLOAD_S, JobSettings
from gateway.jobs.store import JobStore, Limits
from gateway.jobs.tables import connect
from gateway.jobs.uploads import PARTIAL, Uploads
from gateway.jobs.workflows import CallBack, Work

UPLOADS = "uploads"  # folder of them
ROUNDS = 5  # in the time of a lease
SETTLE_S = 5.0  # before a job that has no place in the queue is taken for forgotten
LOOKED_AT = 500  # jobs in one round, at most
SWEEP_S = 60.0  # between two looks at what is too old
STRAY_S = 86_400.0  # an upload that has not moved for so long has broken off

logger = logging.getLogger("gateway.jobs")
GaveUp = Callable[[Job], dict[str, Any]]  # the error of a job that ended in a way nobody foresaw
P = ParamSpec("P")
T = TypeVar("T")


class Desk:
    """One gateway's place among those that share the work. Its methods block.

    They raise SQLAlchemy's errors where the database cannot be reached; ``call`` makes those ``AwayError``.
    """

    def __init__(
        self,
        settings: JobSettings,
        store: JobStore,
        callbacks: Callbacks,
        uploads: Uploads,
        pieces: PieceStore,
        queue: JobQueue,
        members: Members,
        gave_up: GaveUp,
    ) -> None:
        self.store = store
        self.callbacks = callbacks
        self.uploads = uploads
        self.pieces = pieces
        self.name = members.name
        self.round_s = settings.lease_s / ROUNDS
        self._settings = settings
        self._limits = Limits(settings.most_unfinished, settings.most_upload_bytes)
        self._queue = queue
        self._members = members
        self._gave_up = gave_up
        self._swept = 0.0

    @classmethod
    def open(
        cls,
        settings: JobSettings,
        folder: Path,
        name: str,
        *,
        work: Work,
        call_back: CallBack,
        loop: asyncio.AbstractEventLoop,
        gave_up: GaveUp,
    ) -> Desk:
        """Start the engine, which calls ``work`` and ``call_back`` in ``loop``.

        Raises SQLAlchemy's errors where the database cannot be reached.
        """
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        engine = connect(settings.database, folder)
        try:
            members = Members(engine, name, settings.lease_s)
            members.renew()
            queue = JobQueue.open(
                name,
                settings.database,
                folder,
                work=work,
                call_back=call_back,
                loop=loop,
                at_once=settings.at_once,
                poll_s=settings.poll_s,
            )
        except BaseException:
            engine.dispose()
            raise
        uploads = Uploads(folder / UPLOADS)
        pieces = PieceStore(
            engine, folder / UPLOADS, most=settings.most_pieces, most_bytes=settings.most_upload_bytes
        )
        return cls(settings, JobStore(engine), Callbacks(engine), uploads, pieces, queue, members, gave_up)

    def close(self) -> None:
        """End the engine; what is under way is for whoever shares the work, or comes next."""
        self._queue.close()
        try:
            self._members.leave()
        except SQLAlchemyError as error:
            logger.warning(
                "the database is away (%s): others wait for the lease to end", type(error).__name__
            )
        self.store.close()

    def call(self, work: Callable[P, T], *words: P.args, **named: P.kwargs) -> T:
        """What the work gives; raises :class:`AwayError` where the database cannot be reached."""
        try:
            return work(*words, **named)
        except DBAPIError as error:
            raise AwayError(type(error).__name__) from error

    def check_room(self, holder: str) -> None:
        """Raises ``FullError`` where a key may not have a job more."""
        self.store.check_room(holder, self._limits)

    def take(self, id: str, submission: Submission, *, reuse: bool, idle: bool) -> Job:
        """Keep a job whose upload is here, and have it worked on unless its answer is known.

        ``idle`` says that nothing is under way here, so that nothing waits before it either.
        Raises ``FullError`` where its key has too many.
        """
        job = self.store.add(id, submission, self._limits, reuse=reuse)
        if job.id != id or not job.unfinished:
            self.uploads.remove(id)
        if job.state is State.RECEIVED:
            if not (idle and job.id == id and self._queue.begin(id)):
                self._enqueue(job)
            return replace(job, state=State.QUEUED)  # or further by now
        if job.id == id:
            self.announce(job)
        return job

    def cancel(self, id: str) -> bool:
        """End a job before its time; False where it has ended already. A run hears of that by itself."""
        before = self.store.get(id)
        if not self.store.cancel(id):
            return False
        if before is not None and before.state is not State.RUNNING:
            self._queue.drop(id)
        self.uploads.remove(id)
        if before is not None:
            self.announce(before)
        return True

    def announce(self, job: Job) -> None:
        """A job has ended: have that told to its callback, if it has one."""
        if job.callback is not None:
            self._queue.announce(job.id)

    def forget(self, jobs: Iterable[str]) -> None:
        """Remove every trace of jobs that have ended."""
        for id in jobs:
            if self.store.forget(id):
                self._queue.forget([id])
                self.uploads.remove(id)

    def keep_house(self, at_work: Collection[str]) -> Waiting:
        """One round of what each of the gateways does now and then; ``at_work`` are the jobs it is at.

        Returns what is ahead of all of them.
        """
        self._members.renew()
        for name in self._members.dead():
            if (claimed := self._members.claim(name)) is None:
                continue
            if count := self._queue.take_over(name):
                logger.warning("gateway %s has died; %d of its jobs are begun anew", name, count)
            self._members.bury(name, claimed)
        self._find_lost(at_work)
        for id in self.callbacks.unsaid(SETTLE_S, LOOKED_AT):
            self._queue.announce(id)
        if time.monotonic() > self._swept + SWEEP_S:
            self._swept = time.monotonic()
            self.forget(self.store.expire(self._settings.retention_s))
            self._sweep_uploads()
        waiting = self.store.waiting()
        self._queue.expect(any(waiting.counts.values()))
        return waiting

    def _enqueue(self, job: Job) -> None:
        self._queue.put(job.id, job.turn)
        self.store.enqueued(job.id)

    def _find_lost(self, at_work: Collection[str]) -> None:
        """Jobs that have not ended, and that the engine would never come to again."""
        begun = self.store.unfinished(State.RECEIVED, State.RUNNING, older_than_s=SETTLE_S, limit=LOOKED_AT)
        waiting = begun + self.store.unfinished(State.QUEUED, older_than_s=SETTLE_S, limit=LOOKED_AT)
        known = self._queue.states(job.id for job in waiting)
        alive = self._members.alive()
        for job in waiting:
            match known.get(job.id):
                case None:
                    self._enqueue(job)
                case Known.GIVEN_UP:
                    self.store.give_up(job.id, self._gave_up(job))
                    self.uploads.remove(job.id)
                    self.announce(job)
                case Known.ENDED if (
                    # Of two runs one has returned, and the other, whose word counted, has come to nothing.
                    job.gateway not in alive or (job.gateway == self.name and job.id not in at_work)
                ):
                    self._queue.forget([job.id])
                    self._enqueue(job)
                case Known.AHEAD if job.state is State.RECEIVED:
                    self.store.enqueued(job.id)

    def _sweep_uploads(self) -> None:
        self.pieces.expire(UPLOAD_S)
        for name in self.uploads.strays(SETTLE_S):
            job = self.store.get(name)
            if job is not None and not job.unfinished:
                self.uploads.remove(name)
        for name in self.uploads.strays(STRAY_S):
            if name.endswith(SUFFIX):
                continue  # see above
            if name.endswith(PARTIAL) or self.store.get(name) is None:
                self.uploads.remove(name)
