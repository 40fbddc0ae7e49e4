"""How far requests are: what has been received of them here, and what servers tell while they work."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from gateway.servers import Server
from gateway.upload import Upload
from outofsync.progress import LINE_BYTES, parse
from outofsync_client.protocol import PROGRESS_FOLDER

RECEIVING, QUEUED = "receiving", "queued"  # before a server begins; its own steps follow
LOOK_S = 0.1  # between two looks for a request that is still to come
KEPT_S = 30.0  # for whoever asks again after the end, because the connection broke


@dataclass(frozen=True)
class State:
    """A stage, and how much of it is done (0 … 1, None where that is not known)."""

    stage: str
    done: float | None = None


@dataclass(eq=False)
class TrackedRequest:
    """One request from its first byte to its answer's last; ``length`` in bytes, where the caller said it."""

    upload: Upload
    length: int | None
    status: int | None = None  # once it has ended
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    _file: Path | None = None  # in which a server tells of it, at its present attempt
    _told: tuple[str, float | None] | None = None  # what was told last, at an attempt that has ended

    def state(self) -> State:
        """Where it is now; after a server has died, that is further back than before."""
        if not self.upload.complete:
            done = min(1.0, self.upload.size / self.length) if self.length else None
            return State(RECEIVING, None if done is None else round(done, 3))
        told = parse(_read(self._file)) if self._file else self._told
        return State(*told) if told else State(QUEUED)

    @contextmanager
    def at(self, server: Server) -> Iterator[str | None]:
        """The name by which a server tells of one attempt, None where its folder cannot be written to.

        Whatever ends the block, its file goes, and with it the server's reason to go on.
        """
        path = server.state / PROGRESS_FOLDER / secrets.token_hex(16)
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError:
            yield None
            return
        self._file, self._told = path, None
        try:
            yield path.name
        finally:
            self._told = parse(_read(path))  # it is no further back while its answer is on the way
            self._file = None
            with suppress(OSError):
                path.unlink()

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


def sweep(server: Server, older_than_s: float) -> None:
    """Remove what gateways left that were killed."""
    oldest = time.time() - older_than_s
    with suppress(OSError):
        for path in (server.state / PROGRESS_FOLDER).iterdir():
            with suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()


def _read(path: Path) -> bytes:
    """The line a server has written, empty before it has."""
    try:
        with path.open("rb", buffering=0) as file:
            return file.read(LINE_BYTES)
    except OSError:
        return b""
