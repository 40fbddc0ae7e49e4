"""Jobs: videos that are handed in, and answers that are there when they are asked for."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Literal, Optional, Protocol, Union
from urllib.parse import urlencode

from outofsync_client._answers import Answer
from outofsync_client._endpoints import Address
from outofsync_client._exceptions import (
    BadOptionsError,
    NotFoundError,
    OutOfSyncError,
    RequestTimeoutError,
    error_from_envelope,
)
from outofsync_client._flow import Flow, Request
from outofsync_client._multipart import UploadProgress, VideoFile, open_video
from outofsync_client._pieces import Resumption, upload_in_pieces
from outofsync_client._result import EarlySegment, Result, Segment
from outofsync_client._sender import Read, Sender
from outofsync_client._transport import NO_CONTENT
from outofsync_client.protocol import (
    EDGE_JOB,
    EDGE_JOBS,
    IDEMPOTENCY_HEADER,
    PREFER_HEADER,
    WAIT,
    JobState,
)

StateChoice = Literal["received", "queued", "running", "done", "failed", "cancelled", "expired"]
PriorityChoice = Literal["interactive", "bulk"]

LOOK_S = 0.5  # between two looks at a job that is followed
HOLD_S = (
    20  # how long a server is asked to hold a request for a job's end: proxies end what is silent for longer
)
LARGE_BYTES = 32 << 20  # beyond which a file is sent in pieces: what is smaller is soon sent again
PAGE = 100  # jobs that are asked for at a time
_UNFINISHED = (JobState.RECEIVED, JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True)
class Job:
    """One job as the server told of it; ``stage`` and ``done`` (0 … 1) say how far it is while it runs.

    ``remaining_s`` is how many seconds the rest takes, None while that is not known. Moments are ISO 8601,
    UTC. ``answered_by`` is the earlier job whose result this one was given.
    """

    id: str
    state: str
    file: str
    sha256: str
    created: str
    started: Optional[str]
    ended: Optional[str]
    stage: Optional[str]
    done: Optional[float]
    remaining_s: Optional[float]
    attempts: int
    verdict: Optional[str]
    label: Optional[str]
    answered_by: Optional[str]
    _values: Mapping[str, Any]

    @property
    def finished(self) -> bool:
        """Whether it has ended."""
        return self.state not in _UNFINISHED

    @property
    def failure(self) -> Optional[OutOfSyncError]:
        """Why it failed, as the error that :meth:`Client.detect` would have raised."""
        failure = self._values.get("failure")
        return error_from_envelope(failure, request_id="") if failure else None

    @property
    def result(self) -> Result:
        """What was found, of a job that was asked for once it was done.

        Raises its :attr:`failure`; LookupError where there is no result, not yet or no longer, or the job is
        from a list, which holds none.
        """
        if (failure := self.failure) is not None:
            raise failure
        values = self._values.get("result")
        if values is None:
            raise LookupError(f"job {self.id} is {self.state}, and no result came with it")
        return Result.from_dict(values)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """What is scored so far, of a job that was asked for by itself; once it is done, what was found."""
        if self._values.get("result") is not None:
            return self.result.segments
        return tuple(EarlySegment.from_dict(one) for one in self._values.get("segments") or ())

    def to_dict(self) -> dict[str, Any]:
        """The job as the server sent it."""
        return dict(self._values)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Job:
        """Read a server's answer. Raises KeyError or TypeError where it is no job."""
        progress = values["progress"] or {}
        same = ("id", "state", "file", "sha256", "created", "started", "ended", "attempts")
        found = {name: values[name] for name in (*same, "verdict", "label", "answered_by")}
        found.update(stage=progress.get("stage"), done=progress.get("done"))
        return cls(**found, remaining_s=values.get("remaining_s"), _values=values)


JobOrId = Union[Job, str]


@dataclass(frozen=True)
class Wishes:
    """What a job is asked for beside the options."""

    name: Optional[str]  # what lists call it
    priority: Optional[PriorityChoice]
    fresh: bool
    key: Optional[str] = None  # of idempotency; by itself, each call has its own


class Upload(Protocol):
    """A client's way of sending a file; ``nonce`` makes one call of it differ from the next."""

    def __call__(
        self,
        path: str,
        file: VideoFile,
        options: Mapping[str, Any],
        read: Callable[[Answer, float], Job],
        *,
        on_upload: Optional[UploadProgress],
        nonce: str,
        key: Optional[str],
    ) -> Flow[Job]: ...


class JobFlows:
    """What both kinds of client do with jobs, step by step."""

    def __init__(self, sender: Sender, upload: Upload) -> None:
        self._sender = sender
        self._upload = upload

    def submit(
        self,
        file: VideoFile,
        options: Mapping[str, Any],
        wishes: Wishes,
        on_upload: Optional[UploadProgress],
        resume: Optional[Resumption] = None,
    ) -> Flow[Job]:
        nonce = uuid.uuid4().hex
        given = {"file": wishes.name, "priority": wishes.priority, "fresh": "true" if wishes.fresh else None}
        with ExitStack() as held:
            source, size = yield from open_video(file, held)
            if size <= LARGE_BYTES:
                path = _with_query(EDGE_JOBS, given)
                return (
                    yield from self._upload(
                        path, source, options, _job_of, on_upload=on_upload, nonce=nonce, key=wishes.key
                    )
                )
            key = wishes.key or nonce
            if resume is not None and resume.place is not None:
                begun = resume.place.rsplit("/", 1)[1]
                try:  # it may have been complete, and its job's id lost on its way
                    return (yield from self._submit_upload({**given, "upload": begun}, key))
                except (NotFoundError, BadOptionsError):
                    pass
            asked = {name: value for name, value in options.items() if value is not None}
            upload = yield from upload_in_pieces(
                self._sender,
                source,
                size,
                name=wishes.name,
                options=asked,
                on_upload=on_upload,
                resume=resume,
            )
        return (yield from self._submit_upload({**given, "upload": upload}, key))

    def _submit_upload(self, given: Mapping[str, Optional[str]], key: str) -> Flow[Job]:
        """Make a job of an upload in pieces."""
        path = _with_query(EDGE_JOBS, given)
        return self._ask("POST", path, lambda answer, _: _job(answer), {IDEMPOTENCY_HEADER: key})

    def get(self, job: JobOrId, *, hold_s: int = 0) -> Flow[Job]:
        headers = {PREFER_HEADER: f"{WAIT}={hold_s}"} if hold_s else {}
        return self._ask("GET", _path(job), lambda answer, _: _job(answer), headers)

    def page(
        self, before: Optional[str], filters: Mapping[str, Optional[str]]
    ) -> Flow[tuple[list[Job], Optional[str]]]:
        """So many jobs, newest first, and behind which one the next page begins."""

        def read(answer: Answer, _: Request) -> tuple[list[Job], Optional[str]]:
            values = answer.json()
            return [Job.from_dict(one) for one in values["jobs"]], values["next"]

        path = _with_query(EDGE_JOBS, {**filters, "limit": str(PAGE), "before": before})
        return self._ask("GET", path, read)

    def wait(self, job: JobOrId, seconds: Optional[float]) -> Flow[Job]:
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            left = HOLD_S if deadline is None else int(min(HOLD_S, max(0.0, deadline - time.monotonic())))
            found = yield from self.get(job, hold_s=left)
            if found.finished:
                return found
            if deadline is not None and time.monotonic() >= deadline - 1:
                raise RequestTimeoutError(f"job {found.id} is still {found.state}")

    def end(self, job: JobOrId) -> Flow[Optional[Job]]:
        """The cancelled job; None for one that had ended, and is forgotten."""

        def read(answer: Answer, _: Request) -> Optional[Job]:
            return None if answer.status == NO_CONTENT else _job(answer)

        return self._ask("DELETE", _path(job), read)

    def _ask(
        self, method: str, path: str, read: Read[Any], headers: Optional[Mapping[str, str]] = None
    ) -> Flow[Any]:
        def prepare(address: Address) -> Request:
            return Request(method, address, path, headers or {})

        return self._sender.send(path.partition("?")[0], prepare, read)


def _job_of(answer: Answer, _: float) -> Job:
    return _job(answer)


def _job(answer: Answer) -> Job:
    values = answer.json()
    try:
        return Job.from_dict(values)
    except (KeyError, TypeError, AttributeError) as error:
        raise answer.unexpected("the answer is JSON but no job") from error


def _path(job: JobOrId) -> str:
    return EDGE_JOB.format(id=job.id if isinstance(job, Job) else job)


def _with_query(path: str, values: Mapping[str, Optional[str]]) -> str:
    given = urlencode({name: value for name, value in values.items() if value is not None})
    return f"{path}?{given}" if given else path


def name_of(file: VideoFile) -> Optional[str]:
    """What a file is called, where it has a name."""
    if isinstance(file, bytes):
        return None
    named = getattr(file, "name", file)
    return Path(named).name if isinstance(named, str) or hasattr(named, "__fspath__") else None


def changed(job: Job, before: Optional[Job]) -> bool:
    """Whether there is something new to tell of a job."""
    if before is None:
        return True
    return _progress(job) != _progress(before)


def _progress(job: Job) -> tuple[object, ...]:
    return job.state, job.stage, job.done, job.remaining_s, len(job.segments)
