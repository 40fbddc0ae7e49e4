"""The durable queue: DBOS Transact, on SQLite or PostgreSQL.

A job is a workflow of its own name, so that telling the engine twice is telling it once. What a process had
begun when it died, another takes over. The engine is one for a process; it runs threads of its own and is
imported only where there are jobs.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextvars import Context
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, SetEnqueueOptions, SetWorkflowID

from gateway.jobs.job import AwayError, LaterError
from gateway.jobs.tables import empty_journal, sqlite_engine, with_driver

NAME = "outofsync"
QUEUE, CALLBACKS = "jobs", "callbacks"
CALLBACKS_AT_ONCE = 1000  # most of which sleep
# Between two attempts at a callback: a day in all.
PAUSES_S = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, *[7200.0] * 3, *[14400.0] * 4)
FILE = "queue.sqlite"
CONNECTIONS = 20  # to that file
LISTEN_S = 0.1  # between two looks for messages, which there never are: the end waits for one
FORMAT = "1"  # of the workflows below: an engine leaves alone what another format has begun
AGAIN_S = 2.0  # between two attempts at a job that no server could take …
BEGIN_S = 30.0  # until a job is written down and begun, unless the engine has ended
ATTEMPTS = 2000  # … which wait for a server themselves, so that these last a day or so
RECOVERIES = 1000  # of one job, after gateways that died over it

T = TypeVar("T")

Work = Callable[[str], Coroutine[Any, Any, None]]  # on a job; raises LaterError where it is to be tried again

# About a job that has ended, the attempt's number from 1, and whether it is the last: whether that is enough.
CallBack = Callable[[str, int, bool], Coroutine[Any, Any, bool]]


@dataclass
class _Bridge:
    """Leads from the engine's own event loop to the gateway's."""

    work: Work
    call_back: CallBack
    loop: asyncio.AbstractEventLoop
    engine_loop: asyncio.AbstractEventLoop | None = None  # known once the engine runs
    alone: str | None = None  # the job that was begun without queueing, while it is under way


class Known(Enum):
    """What the engine is at with a job."""

    AHEAD = auto()  # it will come to it, or is at it
    ENDED = auto()  # it has called for the work, which has returned; or it was told to drop it
    GIVEN_UP = auto()  # the work failed in a way that nobody foresaw


_KNOWN = {
    "ENQUEUED": Known.AHEAD,
    "DELAYED": Known.AHEAD,
    "PENDING": Known.AHEAD,
    "ERROR": Known.GIVEN_UP,
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": Known.GIVEN_UP,
}

_bridge: _Bridge | None = None


@DBOS.step(
    name="judge",
    retries_allowed=True,
    interval_seconds=AGAIN_S,
    backoff_rate=1.0,
    max_attempts=ATTEMPTS,
    should_retry=lambda error: isinstance(error, LaterError),
)
async def _judge(job: str) -> None:
    assert _bridge is not None  # the engine runs between open and close
    await _there(_bridge.work(job), _bridge.loop)


@DBOS.step(name="call back")
async def _call_back(job: str, number: int, last: bool) -> bool:
    assert _bridge is not None
    return await _there(_bridge.call_back(job, number, last), _bridge.loop)


async def _there(work: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> T:
    """Do a step's work in the gateway's own loop.

    In a context of its own: in a step's, the engine takes what is put into a queue for part of that step, and
    nothing comes of it.
    """
    done = Context().run(asyncio.run_coroutine_threadsafe, work, loop)
    return await asyncio.wrap_future(done)


@DBOS.workflow(name="job", max_recovery_attempts=RECOVERIES)
async def _workflow(job: str) -> None:
    try:
        await _judge(job)
    finally:
        if _bridge is not None and _bridge.alone == job:
            _bridge.alone = None


@DBOS.workflow(name="callback", max_recovery_attempts=RECOVERIES)
async def _callback(job: str) -> None:
    """Its pauses outlive the process, as its attempts do."""
    for number, pause_s in enumerate((*PAUSES_S, None), start=1):
        if await _call_back(job, number, pause_s is None) or pause_s is None:
            return
        await DBOS.sleep_async(pause_s)


@DBOS.workflow(name="start")
async def _start() -> None:
    assert _bridge is not None
    _bridge.engine_loop = asyncio.get_running_loop()


async def _begin(job: str) -> None:
    with SetWorkflowID(job):
        await DBOS.start_workflow_async(_workflow, job)


class JobQueue:
    """The engine while it runs. Its methods block."""

    @classmethod
    def open(
        cls,
        name: str,
        database: str | None,
        folder: Path,
        *,
        work: Work,
        call_back: CallBack,
        loop: asyncio.AbstractEventLoop,
        at_once: int,
        poll_s: float,
    ) -> JobQueue:
        """Start the engine, which calls ``work`` in ``loop``; ``name`` tells gateways apart that share work.

        ``at_once`` jobs are under way at a time; every ``poll_s`` seconds it looks for more.

        Raises SQLAlchemy's errors where the database cannot be reached.
        """
        global _bridge
        if _bridge is not None:
            raise RuntimeError("this process has an engine already")
        _quiet()
        _bridge = _Bridge(work, call_back, loop)
        engine = None if database is not None else _sqlite(folder / FILE)
        spare = at_once > 1
        try:
            url = _url(database, folder)
            _prepare(url, at_once - spare, poll_s)
            DBOS(
                config={
                    "name": NAME,
                    "system_database_url": url,
                    "system_database_engine": engine,
                    "executor_id": name,
                    "application_version": FORMAT,
                    "log_level": "WARNING",
                    "run_migrations": False,
                    "notification_listener_polling_interval_sec": LISTEN_S,
                }
            )
            DBOS.launch()
            with SetWorkflowID(f"{name}-start"):
                starting: Any = DBOS.start_workflow(_start)
            starting.get_result()
            DBOS.delete_workflows([f"{name}-start"])
        except BaseException:
            cls(engine, spare).close()
            raise
        return cls(engine, spare)

    def __init__(self, engine: sa.Engine | None, spare: bool) -> None:
        """``engine`` is ours to end, ``spare`` says whether a place is kept for a job that does not queue."""
        self._engine = engine
        self._spare = spare
        self._beginning = threading.Lock()

    def put(self, job: str, turn: int) -> None:
        """Have a job worked on, lowest turn first; nothing where the engine knows it."""
        with SetWorkflowID(job), SetEnqueueOptions(priority=turn):
            DBOS.enqueue_workflow(QUEUE, _workflow, job)

    def begin(self, job: str) -> bool:
        """Have a new job worked on now, where no other is that was begun so.

        The queue is looked at seldom, since each look costs something and nobody may be waiting; a lone
        caller need not wait for it. False where the job has to queue; raises :class:`AwayError` where the
        engine ends meanwhile.
        """
        bridge = _bridge
        with self._beginning:
            if not self._spare or bridge is None or bridge.engine_loop is None or bridge.alone is not None:
                return False
            bridge.alone = job
        beginning = asyncio.run_coroutine_threadsafe(_begin(job), bridge.engine_loop)
        try:
            beginning.result(BEGIN_S)
        except BaseException as error:
            bridge.alone = None
            if isinstance(error, FutureTimeoutError):
                raise AwayError("the engine is ending") from None
            raise
        return True

    def announce(self, job: str) -> None:
        """Have a job's end told to its callback; nothing where the engine knows that."""
        with SetWorkflowID(_callback_of(job)):
            DBOS.enqueue_workflow(CALLBACKS, _callback, job)

    def drop(self, job: str) -> None:
        """Do not begin with a job that waits."""
        DBOS.cancel_workflow(job)

    def take_over(self, gateway: str) -> int:
        """Put what a dead gateway had begun back into the queue; returns how many that are.

        One gateway at a time: what another has taken over and begun would begin once more.
        """
        found = DBOS.list_workflows(
            status="PENDING",
            executor_id=gateway,
            app_version=FORMAT,
            load_input=False,
            load_output=False,
        )
        for queue in (QUEUE, CALLBACKS):
            # What was begun without queueing is in none.
            if begun := [status.workflow_id for status in found if (status.queue_name or QUEUE) == queue]:
                DBOS.resume_workflows(begun, queue_name=queue)
        return len(found)

    def states(self, jobs: Iterable[str]) -> dict[str, Known]:
        """What the engine knows of these jobs; those that it has never heard of are not among the answers."""
        wanted = list(jobs)
        if not wanted:
            return {}
        found = DBOS.list_workflows(workflow_ids=wanted, load_input=False, load_output=False)
        return {status.workflow_id: _KNOWN.get(status.status, Known.ENDED) for status in found}

    def forget(self, jobs: Iterable[str]) -> None:
        """Remove what the engine has kept of jobs."""
        DBOS.delete_workflows([name for job in jobs for name in (job, _callback_of(job))])
        if self._engine is not None:
            empty_journal(self._engine)

    def close(self) -> None:
        """End the engine; what is under way is left to whoever takes it over."""
        global _bridge
        DBOS.destroy()
        if self._engine is not None:
            self._engine.dispose()
        _bridge = None


def _prepare(url: str, at_once: int, poll_s: float) -> None:
    """Make the engine's tables and queues before it starts: it looks for new queues once a second only."""
    DBOS.migrate(url)
    client = DBOSClient(system_database_url=url, application_name=NAME, retry_connection_errors=False)
    try:
        client.register_queue(CALLBACKS, worker_concurrency=CALLBACKS_AT_ONCE)
        client.register_queue(QUEUE, worker_concurrency=at_once, polling_interval_sec=poll_s)
    finally:
        client.destroy()


def _callback_of(job: str) -> str:
    """What the engine calls the callback of a job."""
    return f"{job}-callback"


def _url(database: str | None, folder: Path) -> str:
    if database is None:
        return f"sqlite:///{folder / FILE}"
    return with_driver(database).render_as_string(False)


def _sqlite(path: Path) -> sa.Engine:
    """As the engine would make it, but that it does not wait for the disk.

    What is lost with the power is found again by the jobs themselves, which are kept elsewhere.
    """
    engine = sqlite_engine(path, lasting=False, pool_size=CONNECTIONS, max_overflow=0)

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = "IMMEDIATE"  # of two that would write, one waits
        connection.execute("PRAGMA foreign_keys=ON")

    return engine


def _quiet() -> None:
    """The engine's words go where all others go: it adds a handler of its own only where it finds none."""
    logger = logging.getLogger("dbos")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    logger.propagate = True
