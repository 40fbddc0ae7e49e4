"""The engine of jobs in a gateway's event loop: opened when it is needed, called for, closed.

What a method of the desk blocks on is waited for in threads. The engine in turn calls for work, which is done
here, and whoever waits for a job's end is told of it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from gateway.callback_sender import CallbackSender
from gateway.errors import busy, internal, reused_key, too_many_jobs
from gateway.job_callbacks import call_back
from gateway.job_log import JobLog
from gateway.job_worker import JobWorker
from gateway.jobs.job import AwayError, FullError, Job, ReusedKeyError, State
from gateway.jobs.settings import FOLDER
from gateway.routing import Router
from gateway.settings import GatewaySettings

if TYPE_CHECKING:  # the engine costs time and threads, and most gateways have no jobs
    from gateway.jobs.desk import Desk

AWAKE_S = 1.0  # between two looks for jobs of other gateways, where the engine does not run

logger = logging.getLogger("gateway")
P = ParamSpec("P")
T = TypeVar("T")


class JobEngine:
    """Nothing of it is loaded before the first job, unless others may have handed some in."""

    def __init__(
        self, settings: GatewaySettings, router: Router, sender: CallbackSender, log: JobLog
    ) -> None:
        self._chosen = settings.jobs
        self._folder = (settings.jobs.folder or settings.states[0] / FOLDER).absolute()
        self._sender = sender
        self._log = log
        self._worker = JobWorker(router, log)
        self._name = f"{socket.gethostname()[:24]}-{os.getpid()}-{time.time_ns():x}"
        self._opening = asyncio.Lock()
        self.desk: Desk | None = None  # once it is opened
        self._closed = False
        self._works: dict[str, asyncio.Future[None]] = {}  # that are under way, by their jobs
        self._ended: dict[str, set[asyncio.Event]] = {}  # of jobs that somebody here waits for

    @property
    def idle(self) -> bool:
        """Whether no job is worked on here."""
        return not self._works

    @property
    def shared(self) -> bool:
        """Whether other gateways may work on the same jobs."""
        return self._chosen.database is not None

    async def keep(self) -> None:
        """For ever: keep house, once there are jobs."""
        while self.desk is None and not self._wanted():
            await asyncio.sleep(AWAKE_S)
        while True:
            desk = await self.opened()
            with suppress(AwayError):
                works = frozenset(self._works)
                self._log.note_waiting(await asyncio.to_thread(desk.call, desk.keep_house, works))
            await asyncio.sleep(desk.round_s)

    async def close(self) -> None:
        """End it; what is under way is left to whoever comes next."""
        async with self._opening:
            self._closed = True
            if self.desk is not None:
                await asyncio.to_thread(self.desk.close)
            works = list(self._works.values())
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)

    async def opened(self) -> Desk:
        """What lies somewhere; raises ``busy`` where it cannot be reached, or the gateway stops."""
        if self.desk is not None:
            return self.desk
        async with self._opening:
            if self._closed:
                raise busy("the gateway is stopping")
            if self.desk is None:
                try:
                    self.desk = await asyncio.to_thread(self._open, asyncio.get_running_loop())
                except Exception:
                    logger.exception("jobs cannot be kept for now")
                    raise busy("jobs cannot be kept for now") from None
            return self.desk

    async def call(self, work: Callable[P, T], *words: P.args, **named: P.kwargs) -> T:
        """What takes milliseconds and blocks; raises ``EdgeError``: ``busy`` where the database is away."""
        desk = await self.opened()
        try:
            return await asyncio.to_thread(partial(desk.call, work, *words, **named))
        except FullError as error:
            raise too_many_jobs(str(error)) from None
        except ReusedKeyError:
            raise reused_key() from None
        except AwayError as error:
            logger.warning("the database of jobs is away (%s)", error)
            raise busy("the database of jobs is away") from None

    def abandon(self, id: str) -> None:
        """Nobody waits for a job any more: its worker is freed, and whoever looks at it is told."""
        self._worker.abandon(id)
        self._tell_ended(id)

    @contextmanager
    def told_of_end(self, id: str) -> Iterator[asyncio.Event]:
        """An event that is set once a job has ended here."""
        ended = asyncio.Event()
        waiting = self._ended.setdefault(id, set())
        waiting.add(ended)
        try:
            yield ended
        finally:
            waiting.discard(ended)
            if not waiting:
                self._ended.pop(id, None)

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
        if self.desk is not None and await self._worker.work(self.desk, id):
            self._tell_ended(id)

    async def _call_back(self, id: str, number: int, last: bool) -> bool:
        """The engine calls for it."""
        desk = self.desk
        return desk is None or await call_back(desk, self._sender, self._log, id, number, last=last)

    def _gave_up(self, job: Job) -> dict[str, Any]:
        """What is said of a job that the engine has given up."""
        self._log.note(job, State.FAILED)
        error: dict[str, Any] = internal("the gateway failed on this job").envelope(job.request_id)["error"]
        return error

    def _wanted(self) -> bool:
        """Whether there may be jobs that nobody here has handed in."""
        return self.shared or self._folder.exists()

    def _tell_ended(self, id: str) -> None:
        for event in self._ended.get(id, ()):
            event.set()
