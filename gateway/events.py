"""A request's progress as server-sent events, for whoever sent the request."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Any

from gateway.errors import busy
from gateway.jobs.job import Job
from gateway.progress import State, TrackedRequest

EVERY_S = 0.2  # between two events, at least
HEARTBEAT_S = 10.0  # between two signs of life; proxies end what is silent for longer
HEARTBEAT = b": still there\n\n"
ARRIVAL_S = 15.0  # how long a request is waited for, of which somebody wants to hear
MAX_STREAMS = 32  # open at a time for one key
MEDIA_TYPE = "text/event-stream"
HEADERS = {"X-Accel-Buffering": "no"}  # to nginx, wherever it stands


class Places:
    """Counts who follows how many requests."""

    def __init__(self, most: int = MAX_STREAMS) -> None:
        self._most = most
        self._taken: Counter[str] = Counter()

    @contextmanager
    def one(self, holder: str) -> Iterator[None]:
        """A place for as long as the block lasts; raises ``busy`` where a key has taken all of its own."""
        if self._taken[holder] >= self._most:
            raise busy(f"this key follows {self._most} requests already")
        self._taken[holder] += 1
        try:
            yield
        finally:
            self._taken[holder] -= 1
            if not self._taken[holder]:
                del self._taken[holder]


async def events(tracked: TrackedRequest) -> AsyncIterator[bytes]:
    """What the request is at, whenever that changes, until it has ended."""
    told: State | None = None
    spoke = time.monotonic()
    while tracked.status is None:
        state = tracked.state()
        now = time.monotonic()
        if state != told:
            told, spoke = state, now
            yield event("progress", asdict(state))
        elif now - spoke >= HEARTBEAT_S:
            spoke = now
            yield HEARTBEAT
        with suppress(TimeoutError):
            await asyncio.wait_for(tracked.ended.wait(), EVERY_S)
    yield event("end", {"status": tracked.status})


async def job_events(looks: AsyncIterator[Job | None]) -> AsyncIterator[bytes]:
    """What a job is at, whenever that changes, until it has ended or is forgotten."""
    told: dict[str, Any] | None = None
    spoke = time.monotonic()
    async for job in looks:
        if job is None or not job.unfinished:
            yield event("end", {"state": None if job is None else job.state})
            return
        now = time.monotonic()
        said = {
            **{"state": job.state, "stage": job.stage, "done": job.share},
            **{"remaining_s": job.remaining_s, "segments": job.scored or 0},
        }
        if said != told:
            told, spoke = said, now
            yield event("progress", said)
        elif now - spoke >= HEARTBEAT_S:
            spoke = now
            yield HEARTBEAT


def event(name: str, data: dict[str, Any]) -> bytes:
    """One event as it is sent."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()
