"""The durable queue: DBOS Transact, on SQLite or PostgreSQL.

A job is a workflow of its own name, so that telling the engine twice is telling it once. What a process had
begun when it died, another takes over. The engine is one for a process; it runs threads of its own and is
imported only where there are jobs.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterable
from enum import Enum, auto
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, SetEnqueueOptions, SetWorkflowID

from gateway.jobs.tables import empty_journal, sqlite_engine, with_driver
from gateway.jobs.workflows import (
    CALLBACK,
    FORMAT,
    JOB,
    Bridge,
    CallBack,
    Work,
    attach,
    detach,
    run_callback,
    run_job,
    start_engine,
    start_of,
)

NAME = "outofsync"
QUEUE, CALLBACKS = "jobs", "callbacks"
CALLBACKS_AT_ONCE = 1000  # most of which sleep
FILE = "queue.sqlite"
CONNECTIONS = 20  # to that file
SELDOM_S = 1.0  # between two looks for work where there has been none …
REST_S = 60.0  # … for so long
LISTEN_S = 0.1  # between two looks for messages, which there never are: the end waits for one


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
        _quiet()
        attach(bridge := Bridge(work, call_back, loop))
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
            start_engine(name)
        except BaseException:
            cls(engine, bridge if spare else None, poll_s).close()
            raise
        return cls(engine, bridge if spare else None, poll_s)

    def __init__(self, engine: sa.Engine | None, bridge: Bridge | None, poll_s: float) -> None:
        """``engine`` is ours to end; over the ``bridge`` goes a job that need not queue, if one may."""
        self._engine = engine
        self._bridge = bridge
        self._poll_s = self._pause_s = poll_s
        self._worked = time.monotonic()  # when there was work, lately
        self._pacing = threading.Lock()

    def put(self, job: str, turn: int) -> None:
        """Have a job worked on, lowest turn first; nothing where the engine knows it."""
        with SetWorkflowID(job), SetEnqueueOptions(priority=turn):
            DBOS.enqueue_workflow(QUEUE, run_job, job)
        self.expect(True)

    def expect(self, work: bool) -> None:
        """Whether there is work: after a minute without, the queue is looked at once a second.

        Ten looks a second cost a thirtieth of a core, for as long as the gateway runs; the first callers who
        come at the same moment after a rest wait for a second, once. A queue that others share is theirs to
        fill, and one that every job goes through is to be quick: both are left alone.
        """
        if self._engine is None or self._bridge is None:
            return
        with self._pacing:
            now = time.monotonic()
            self._worked = now if work else self._worked
            pause_s = self._poll_s if now < self._worked + REST_S else max(self._poll_s, SELDOM_S)
            if pause_s != self._pause_s and (queue := DBOS.retrieve_queue(QUEUE)) is not None:
                queue.set_polling_interval_sec(pause_s)
                self._pause_s = pause_s

    def begin(self, job: str) -> bool:
        """Have a new job worked on now, where no other is that was begun so.

        The queue is looked at seldom, since each look costs something and nobody may be waiting; a lone
        caller need not wait for it. False where the job has to queue; raises :class:`AwayError` where the
        engine ends meanwhile.
        """
        return self._bridge is not None and self._bridge.begin(job)

    def announce(self, job: str) -> None:
        """Have a job's end told to its callback; nothing where the engine knows that."""
        with SetWorkflowID(_callback_of(job)):
            DBOS.enqueue_workflow(CALLBACKS, run_callback, job)

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
        count = 0
        for workflow, queue in ((JOB, QUEUE), (CALLBACK, CALLBACKS)):
            if begun := [status.workflow_id for status in found if status.name == workflow]:
                DBOS.resume_workflows(begun, queue_name=queue)
                count += len(begun)
        DBOS.delete_workflows([start_of(gateway)])
        return count

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
        DBOS.destroy()
        if self._engine is not None:
            self._engine.dispose()
        detach()


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
