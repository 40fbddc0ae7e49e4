"""How far requests are: what has been received of them here, and what servers tell while they work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.pace import Pace, rounded
from gateway.progress_files import ProgressFile, progress_file
from gateway.servers import Server
from gateway.upload import Upload
from outofsync.progress import Step, amounts_of, parse
from outofsync.segment_file import segments_of

RECEIVING, QUEUED = "receiving", "queued"  # before a server begins; its own steps follow
LOOK_S = 0.1  # between two looks for a request that is still to come
KEPT_S = 30.0  # for whoever asks again after the end, because the connection broke


@dataclass(frozen=True)
class State:
    """A stage, how much of it is done (0 … 1), and seconds until the answer; None where that is not known."""

    stage: str
    done: float | None = None
    remaining_s: float | None = None


@dataclass(eq=False)
class TrackedRequest:
    """One request from its first byte to its answer's last; ``length`` in bytes, where the caller said it."""

    upload: Upload
    length: int | None
    keeps_segments: bool = False  # whether the server is to tell of what it has scored, before it answers
    status: int | None = None  # once it has ended
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    _file: ProgressFile | None = None  # in which a server tells of it, at its present attempt
    _pace: Pace = field(default_factory=Pace)  # of that server
    _told: State | None = None  # what was told last, at an attempt that has ended

    def state(self) -> State:
        """Where it is now; after a server has died, that is further back than before."""
        if not self.upload.complete:
            done = min(1.0, self.upload.size / self.length) if self.length else None
            return State(RECEIVING, None if done is None else round(done, 3))
        told = _state(self._file, self._pace) if self._file else self._told
        return told or State(QUEUED)

    def segment_bytes(self) -> int:
        """How much has been told of segments: they are worth reading where that has changed."""
        return self._file.segment_bytes() if self._file else 0

    def segments(self) -> list[dict[str, Any]]:
        """The segments that the server has scored so far, at its present attempt."""
        return segments_of(self._file.read_segments()) if self._file else []

    @contextmanager
    def at(self, server: Server) -> Iterator[str | None]:
        """The name by which a server tells of one attempt, None where its folder cannot be written to.

        Whatever ends the block, its file goes, and with it the server's reason to go on.
        """
        with progress_file(server.state, with_segments=self.keeps_segments) as file:
            if file is None:
                yield None
                return
            self._file, self._pace, self._told = file, server.pace, None
            try:
                yield file.path.name
                amounts = amounts_of(file.read())
                if Step.SCORE in amounts and amounts[Step.SCORE].done:  # nothing else is like judging
                    server.pace.learn(amounts)
            finally:
                self._told = _state(file, server.pace)  # no further back while its answer is on the way
                self._file = None

    def end(self, status: int) -> None:
        """It was answered, or its caller has left."""
        self.status = status
        self.ended.set()


class RequestTracker:
    """The requests under way, by who sent them and what they called them."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, str], TrackedRequest] = {}

    def begin(self, holder: str, request_id: str, upload: Upload, length: int | None) -> TrackedRequest:
        """A request that has just come; of two of one name, the later is the one that is told of."""
        tracked = TrackedRequest(upload, length)
        self._requests[holder, request_id] = tracked
        return tracked

    def end(self, holder: str, request_id: str, tracked: TrackedRequest, status: int) -> None:
        """Its end; it is forgotten a little later."""
        tracked.end(status)
        asyncio.get_running_loop().call_later(KEPT_S, self._forget, (holder, request_id), tracked)

    async def find(
        self, holder: str, request_id: str, within_s: float, wanted: Callable[[], bool]
    ) -> TrackedRequest | None:
        """The request, as soon as it is there; None where it does not come, or is no longer ``wanted``."""
        deadline = time.monotonic() + within_s
        while (found := self._requests.get((holder, request_id))) is None:
            if time.monotonic() > deadline or not wanted():
                return None
            await asyncio.sleep(LOOK_S)
        return found

    def _forget(self, key: tuple[str, str], tracked: TrackedRequest) -> None:
        if self._requests.get(key) is tracked:
            del self._requests[key]


def _state(file: ProgressFile, pace: Pace) -> State | None:
    """What a server tells; None before it does."""
    content = file.read()
    told = parse(content)
    if told is None:
        return None
    return State(*told, rounded(pace.remaining_s(told[0], amounts_of(content))))
