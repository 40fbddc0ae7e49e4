"""What the engine runs: a job, and its callback, step by step; the steps are the gateway's to do.

The engine has an event loop of its own, the gateway another: a bridge leads from one to the other. There is
one bridge in a process, as there is one engine.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextvars import Context
from typing import Any, TypeVar

from dbos import DBOS, SetWorkflowID

from gateway.jobs.job import AwayError, LaterError

FORMAT = "1"  # of the workflows below: an engine leaves alone what another format has begun
JOB, CALLBACK, START = "job", "callback", "start"  # their names
# Between two attempts at a callback: a day in all.
PAUSES_S = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, *[7200.0] * 3, *[14400.0] * 4)
AGAIN_S = 2.0  # between two attempts at a job that no server could take …
ATTEMPTS = 2000  # … which wait for a server themselves, so that these last a day or so
RECOVERIES = 1000  # of one job, after gateways that died over it
BEGIN_S = 30.0  # until a job is written down and begun, unless the engine has ended

T = TypeVar("T")

Work = Callable[[str], Coroutine[Any, Any, None]]  # on a job; raises LaterError where it is to be tried again

# About a job that has ended, the attempt's number from 1, and whether it is the last: whether that is enough.
CallBack = Callable[[str, int, bool], Coroutine[Any, Any, bool]]


class Bridge:
    """Leads from the engine's own event loop to the gateway's, and back."""

    def __init__(self, work: Work, call_back: CallBack, loop: asyncio.AbstractEventLoop) -> None:
        self.work = work
        self.call_back = call_back
        self.loop = loop
        self.engine_loop: asyncio.AbstractEventLoop | None = None  # known once the engine runs
        self._alone: str | None = None  # the job that was begun without queueing, while it is under way
        self._beginning = threading.Lock()

    def begin(self, job: str) -> bool:
        """Have a new job worked on without queueing; False where another is.

        Blocks until that is written down; raises :class:`AwayError` where the engine ends meanwhile.
        """
        with self._beginning:
            if self.engine_loop is None or self._alone is not None:
                return False
            self._alone = job
        beginning = asyncio.run_coroutine_threadsafe(_begin(job), self.engine_loop)
        try:
            beginning.result(BEGIN_S)
        except BaseException as error:
            self.forget(job)
            if isinstance(error, FutureTimeoutError):
                raise AwayError("the engine is ending") from None
            raise
        return True

    def forget(self, job: str) -> None:
        """It is no longer under way."""
        if self._alone == job:
            self._alone = None


_bridge: Bridge | None = None


def attach(bridge: Bridge) -> None:
    """From now on this is where the steps are done."""
    global _bridge
    if _bridge is not None:
        raise RuntimeError("this process has an engine already")
    _bridge = bridge


def detach() -> None:
    """The engine has ended."""
    global _bridge
    _bridge = None


def start_engine(name: str) -> None:
    """See once that the engine runs, and in which loop."""
    with SetWorkflowID(start_of(name)):
        starting: Any = DBOS.start_workflow(_start)
    starting.get_result()
    DBOS.delete_workflows([start_of(name)])


def start_of(name: str) -> str:
    """What the engine calls the start of a gateway's own; left behind where that was killed just then."""
    return f"{name}-{START}"


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


@DBOS.workflow(name=JOB, max_recovery_attempts=RECOVERIES)
async def run_job(job: str) -> None:
    """A workflow, by the job's own name."""
    try:
        await _judge(job)
    finally:
        if _bridge is not None:
            _bridge.forget(job)


@DBOS.workflow(name=CALLBACK, max_recovery_attempts=RECOVERIES)
async def run_callback(job: str) -> None:
    """Its pauses outlive the process, as its attempts do."""
    for number, pause_s in enumerate((*PAUSES_S, None), start=1):
        if await _call_back(job, number, pause_s is None) or pause_s is None:
            return
        await DBOS.sleep_async(pause_s)


@DBOS.workflow(name=START)
async def _start() -> None:
    assert _bridge is not None
    _bridge.engine_loop = asyncio.get_running_loop()


async def _begin(job: str) -> None:
    with SetWorkflowID(job):
        await DBOS.start_workflow_async(run_job, job)
