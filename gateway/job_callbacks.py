"""One attempt to tell a caller's own server that a job has ended."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

import httpx

from gateway.callback_sender import CallbackSender, RefusedError
from gateway.job_answers import described
from gateway.job_log import JobLog
from gateway.jobs.job import AwayError

if TYPE_CHECKING:
    from gateway.jobs.desk import Desk


async def call_back(
    desk: Desk, sender: CallbackSender, log: JobLog, id: str, number: int, *, last: bool
) -> bool:
    """Call, and enter that in the ledger; whether that is enough: it was heard, or will never be.

    Every attempt bears the job's id, so that a receiver knows what it has heard already.
    """
    from gateway.jobs.callbacks import Attempt, CallbackState

    try:
        job = await asyncio.to_thread(desk.call, desk.store.get, id)
        if job is None or job.callback is None:
            return True  # forgotten meanwhile
        secrets = await asyncio.to_thread(desk.call, desk.callbacks.secrets, job.holder)
        status: int | None = None
        problem: str | None = None
        try:
            status = await sender.send(job.callback, id, described(job), secrets)
        except RefusedError as error:
            problem = str(error)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            problem = type(error).__name__
        heard = status is not None and HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
        over = heard or last or status == HTTPStatus.GONE
        state = CallbackState.DELIVERED if heard else CallbackState.PENDING
        state = CallbackState.GIVEN_UP if over and not heard else state
        attempt = Attempt(number, time.time(), status, problem)
        await asyncio.to_thread(desk.call, desk.callbacks.note, id, attempt, state)
    except AwayError:
        return False
    log.note_callback(job, state=state, attempt=number, status=status, problem=problem)
    return over
