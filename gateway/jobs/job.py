"""What a job is, and the states that it passes."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from outofsync_client.protocol import JobPriority, JobState

ID_LETTERS = 32


class State(StrEnum):
    """Where a job is. It ends once, in one of ``ENDED``; only ``DONE`` has a result, until that expires."""

    RECEIVED = JobState.RECEIVED  # its upload is here; nobody has been told to work on it yet
    QUEUED = JobState.QUEUED
    RUNNING = JobState.RUNNING
    DONE = JobState.DONE
    FAILED = JobState.FAILED
    CANCELLED = JobState.CANCELLED
    EXPIRED = JobState.EXPIRED  # it had ended, and its result was kept for as long as results are


UNFINISHED = (State.RECEIVED, State.QUEUED, State.RUNNING)
ENDED = (State.DONE, State.FAILED, State.CANCELLED, State.EXPIRED)


class Priority(StrEnum):
    """Who goes first."""

    INTERACTIVE = JobPriority.INTERACTIVE  # somebody waits
    BULK = JobPriority.BULK  # whenever nobody does


@dataclass(frozen=True)
class Submission:
    """What a caller hands in; ``options`` are canonical JSON, ``pipeline`` is what would judge it now."""

    holder: str
    request_id: str
    sha256: str  # of the file alone
    size: int  # of the request's body, in bytes
    body_type: str  # media type of the body, with its boundary
    options: str
    file: str = ""  # what the caller calls it
    priority: Priority = Priority.INTERACTIVE
    pipeline: str = ""
    callback: str | None = None  # the address to call once it has ended
    idempotency: str | None = None  # the same at every attempt to hand in the same job


@dataclass(frozen=True)
class Job:
    """One job without its result, as it is kept; moments in seconds since 1970."""

    id: str
    holder: str
    request_id: str
    state: State
    priority: Priority
    file: str
    sha256: str
    size: int
    body_type: str
    options: str
    turn: int  # the queue goes by it, lowest first
    created: float
    started: float | None
    ended: float | None
    attempt: int  # so many times has work on it begun
    gateway: str | None  # which works on it
    stage: str | None
    share: float | None  # of the stage that is done, 0 … 1
    remaining_s: float | None  # until it ends, while that is known
    scored: int | None  # segments, while it runs
    pipeline: str | None  # that judged it
    verdict: str | None
    label: str | None
    error: dict[str, Any] | None
    answered_by: str | None  # the job whose result it was given
    idempotency: str | None
    callback: str | None
    callback_state: str | None
    crashes: int | None  # of servers, over this job

    @property
    def unfinished(self) -> bool:
        """Whether it has not ended."""
        return self.state in UNFINISHED


@dataclass(frozen=True)
class Run:
    """One gateway's attempt at a job; what it says later counts only while no other has begun."""

    job: Job
    gateway: str
    attempt: int


@dataclass(frozen=True)
class Progress:
    """How far a run is; ``segments`` (JSON) are those that are scored, None where none are new."""

    stage: str
    share: float | None
    remaining_s: float | None
    scored: int = 0
    segments: str | None = None


@dataclass(frozen=True)
class Finding:
    """How a job ended. ``result`` is JSON, with the words that lists are filtered by."""

    state: State
    result: str | None = None
    verdict: str | None = None
    label: str | None = None
    pipeline: str | None = None
    error: dict[str, Any] | None = None


@dataclass(frozen=True)
class Waiting:
    """How many jobs have not ended, by state, and how long the oldest that nobody has begun has waited."""

    counts: dict[State, int]
    oldest_s: float


class FullError(Exception):
    """A key has as many jobs, or bytes, waiting as it may; the message says which."""


class ReusedKeyError(Exception):
    """A key of idempotency that named another job before."""


class LaterError(Exception):
    """A job could not be worked on for now."""


class AwayError(Exception):
    """The database cannot be reached for now."""


def new_id() -> str:
    """A name for a job, which nobody can guess; later ones sort behind earlier ones."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex((ID_LETTERS - 12) // 2)}"
