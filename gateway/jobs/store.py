"""What is kept of jobs. Every change of state is one conditional update, so that each job ends once.

Methods take milliseconds and block; they raise SQLAlchemy's errors where the database cannot be reached.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from gateway.jobs.callbacks import CallbackState
from gateway.jobs.job import (
    UNFINISHED,
    Finding,
    FullError,
    Job,
    Priority,
    Progress,
    ReusedKeyError,
    Run,
    State,
    Submission,
    Waiting,
)
from gateway.jobs.tables import ATTEMPTS, JOBS, SUMMARY, empty_journal, take_turns

BULK_TURN = 1 << 30  # bulk comes behind everything that is not; the engine counts to 2^31

_UNFINISHED = JOBS.c.state.in_(UNFINISHED)
_NOT_RUNNING = dict.fromkeys(("stage", "share", "remaining_s", "scored", "segments"))
_FORGOTTEN_WITH_RESULT = {"result": None, "verdict": None, "label": None, "error": None, "file": ""}


@dataclass(frozen=True)
class Limits:
    """How much of one key may wait."""

    jobs: int
    upload_bytes: int


class JobStore:
    """Jobs in one database."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def add(self, id: str, submission: Submission, limits: Limits, *, reuse: bool) -> Job:
        """Keep a new job; one whose answer is there already has ended at once, if answers may be reused.

        One that was handed in before, by the same key of idempotency, is given as it is.
        Raises :class:`FullError` where its key has too many, :class:`ReusedKeyError` where it named another.
        """
        now = time.time()
        row = {
            **asdict(submission),
            "id": id,
            "created": now,
            "attempt": 0,
            "state": State.RECEIVED,
            "turn": 0,
        }
        row["pipeline"] = None
        row["callback_state"] = None if submission.callback is None else CallbackState.PENDING
        with self._engine.connect() as connection:
            take_turns(connection)
            if before := self._same(connection, submission):
                if (before.sha256, before.options) != (submission.sha256, submission.options):
                    raise ReusedKeyError
                return before
            if reuse and (answer := self._answer_to(connection, submission)):
                row |= {**answer, "state": State.DONE, "started": now, "ended": now}
            else:
                self._check_room(connection, submission.holder, limits, submission.size)
                row["turn"] = self._turn(connection, submission)
            kept = _job(connection.execute(sa.insert(JOBS).values(row).returning(*SUMMARY)).one())
            connection.commit()
        return kept

    def check_room(self, holder: str, limits: Limits, size: int = 0) -> None:
        """Raises :class:`FullError` where a key may not have a job more, with an upload of so many bytes."""
        with self._engine.connect() as connection:
            self._check_room(connection, holder, limits, size)

    def get(self, id: str, holder: str | None = None) -> Job | None:
        """A job, if this holder (None: anybody) has it."""
        found = self._select(sa.select(*SUMMARY).where(JOBS.c.id == id))
        return found[0] if found and holder in (None, found[0].holder) else None

    def by_key(self, holder: str, idempotency: str) -> Job | None:
        """A holder's job that was handed in under this key of idempotency."""
        same = sa.and_(JOBS.c.holder == holder, JOBS.c.idempotency == idempotency)
        found = self._select(sa.select(*SUMMARY).where(same))
        return found[0] if found else None

    def result(self, id: str) -> str | None:
        """A job's result as JSON, None where it has none."""
        with self._engine.connect() as connection:
            return connection.scalar(sa.select(JOBS.c.result).where(JOBS.c.id == id))

    def page(
        self, holder: str, limit: int, before: str | None, filters: Mapping[str, str | None]
    ) -> list[Job]:
        """A holder's jobs, newest first, from behind the job ``before`` on; filters name columns."""
        query = sa.select(*SUMMARY).where(JOBS.c.holder == holder)
        if before is not None:
            query = query.where(JOBS.c.id < before)
        for name, value in filters.items():
            if value is not None:
                query = query.where(JOBS.c[name] == value)
        return self._select(query.order_by(JOBS.c.id.desc()).limit(limit))

    def enqueued(self, id: str) -> None:
        """The engine has been told of it."""
        self._update(JOBS.c.id == id, JOBS.c.state == State.RECEIVED, state=State.QUEUED)

    def start(self, id: str, gateway: str) -> Run | None:
        """Begin, or begin anew after a gateway has died; None where there is nothing left to do."""
        with self._engine.begin() as connection:
            row = connection.execute(
                sa.update(JOBS)
                .where(JOBS.c.id == id, _UNFINISHED)
                .values(
                    state=State.RUNNING,
                    gateway=gateway,
                    attempt=JOBS.c.attempt + 1,
                    started=sa.func.coalesce(JOBS.c.started, time.time()),
                    **_NOT_RUNNING,
                )
                .returning(*SUMMARY)
            ).one_or_none()
        if row is None:
            return None
        job = _job(row)
        return Run(job, gateway, job.attempt)

    def tell(self, run: Run, progress: Progress) -> bool:
        """Note how far a run is; False where nobody waits for it any more."""
        values = {name: value for name, value in vars(progress).items() if name != "segments" or value}
        return self._update(*_is(run), **values)

    def segments(self, id: str) -> str | None:
        """What a job that runs has scored so far, as JSON; None where that is nothing."""
        with self._engine.connect() as connection:
            return connection.scalar(sa.select(JOBS.c.segments).where(JOBS.c.id == id))

    def holds(self, run: Run) -> bool:
        """Whether somebody waits for a run still."""
        with self._engine.connect() as connection:
            return connection.scalar(sa.select(JOBS.c.id).where(*_is(run))) is not None

    def crashed(self, run: Run) -> int:
        """A server has died over a run; how often that has happened to its job, 0 where nobody waits."""
        count = sa.func.coalesce(JOBS.c.crashes, 0) + 1
        with self._engine.begin() as connection:
            update = sa.update(JOBS).where(*_is(run)).values(crashes=count).returning(JOBS.c.crashes)
            return connection.scalar(update) or 0

    def finish(self, run: Run, finding: Finding) -> bool:
        """End a job; False where it has ended already, or another has begun it anew."""
        values = {name: value for name, value in vars(finding).items() if value is not None}
        return self._update(*_is(run), ended=time.time(), **_NOT_RUNNING, **values)

    def give_up(self, id: str, error: Mapping[str, Any]) -> bool:
        """End a job that its engine has given up; False where it has ended already."""
        values = {"state": State.FAILED, "ended": time.time(), "error": dict(error), **_NOT_RUNNING}
        return self._update(JOBS.c.id == id, _UNFINISHED, **values)

    def cancel(self, id: str) -> bool:
        """End a job before its time; False where it has ended already."""
        values = {"state": State.CANCELLED, "ended": time.time(), **_NOT_RUNNING}
        return self._update(JOBS.c.id == id, _UNFINISHED, **values)

    def forget(self, id: str) -> bool:
        """Remove a job that has ended, and all that is known of it; False where there is none."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(ATTEMPTS).where(ATTEMPTS.c.job == id))
            done = connection.execute(sa.delete(JOBS).where(JOBS.c.id == id, sa.not_(_UNFINISHED)))
        empty_journal(self._engine)
        return done.rowcount > 0

    def unfinished(self, *states: State, older_than_s: float, limit: int) -> list[Job]:
        """The oldest jobs in one of these states that were handed in so long ago, in seconds."""
        old = JOBS.c.created < time.time() - older_than_s
        query = sa.select(*SUMMARY).where(JOBS.c.state.in_(states), old)
        return self._select(query.order_by(JOBS.c.id).limit(limit))

    def waiting(self) -> Waiting:
        """What is ahead of whoever shares the work."""
        query = sa.select(JOBS.c.state, sa.func.count(), sa.func.min(JOBS.c.created)).where(_UNFINISHED)
        with self._engine.connect() as connection:
            found = {State(row[0]): row for row in connection.execute(query.group_by(JOBS.c.state))}
        counts = {state: found[state][1] if state in found else 0 for state in UNFINISHED}
        begun = [found[state][2] for state in (State.RECEIVED, State.QUEUED) if state in found]
        return Waiting(counts, time.time() - min(begun) if begun else 0.0)

    def expire(self, retention_s: float) -> list[str]:
        """Drop results older than that many seconds; returns the jobs of twice that age, to be forgotten."""
        now = time.time()
        old = JOBS.c.ended < now - retention_s
        self._update(
            old,
            sa.not_(_UNFINISHED),
            JOBS.c.state != State.EXPIRED,
            state=State.EXPIRED,
            **_FORGOTTEN_WITH_RESULT,
        )
        query = sa.select(JOBS.c.id).where(JOBS.c.ended < now - 2 * retention_s, sa.not_(_UNFINISHED))
        with self._engine.connect() as connection:
            return list(connection.scalars(query))

    def close(self) -> None:
        """Let the database go."""
        self._engine.dispose()

    def _same(self, connection: sa.Connection, submission: Submission) -> Job | None:
        if submission.idempotency is None:
            return None
        row = connection.execute(
            sa.select(*SUMMARY).where(
                JOBS.c.holder == submission.holder, JOBS.c.idempotency == submission.idempotency
            )
        ).one_or_none()
        return None if row is None else _job(row)

    def _answer_to(self, connection: sa.Connection, submission: Submission) -> dict[str, Any] | None:
        """The columns that a job of the same file, options, pipeline and holder has to give."""
        if not submission.pipeline:
            return None
        columns = ("result", "verdict", "label", "pipeline")
        row = connection.execute(
            sa.select(JOBS.c.id.label("answered_by"), *(JOBS.c[name] for name in columns))
            .where(
                JOBS.c.holder == submission.holder,
                JOBS.c.sha256 == submission.sha256,
                JOBS.c.options == submission.options,
                JOBS.c.pipeline == submission.pipeline,
                JOBS.c.state == State.DONE,
            )
            .order_by(JOBS.c.id.desc())
            .limit(1)
        ).one_or_none()
        return None if row is None else dict(row._mapping)

    def _check_room(self, connection: sa.Connection, holder: str, limits: Limits, more: int) -> None:
        count, size = connection.execute(
            sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(JOBS.c.size), 0)).where(
                JOBS.c.holder == holder, _UNFINISHED
            )
        ).one()
        if count >= limits.jobs:
            raise FullError(f"this key has {count} jobs that have not ended, as many as it may")
        if size + more > limits.upload_bytes:
            raise FullError(f"this key's files may take {limits.upload_bytes / 1e9:g} GB while they wait")

    def _turn(self, connection: sa.Connection, submission: Submission) -> int:
        """When its turn is: keys take turns, whatever each of them has waiting (start-time fair queueing).

        The next number after the key's last, but none that has been passed already.
        """
        same = JOBS.c.priority == submission.priority
        own = sa.select(sa.func.max(JOBS.c.turn)).where(same, JOBS.c.holder == submission.holder, _UNFINISHED)
        passed = sa.select(sa.func.max(JOBS.c.turn)).where(same, JOBS.c.started.is_not(None))
        first = BULK_TURN if submission.priority is Priority.BULK else 0
        return max(first, connection.scalar(own) or 0, connection.scalar(passed) or 0) + 1

    def _select(self, query: sa.Select[Any]) -> list[Job]:
        with self._engine.connect() as connection:
            return [_job(row) for row in connection.execute(query)]

    def _update(self, *conditions: sa.ColumnElement[bool], **values: Any) -> bool:
        with self._engine.begin() as connection:
            return connection.execute(sa.update(JOBS).where(*conditions).values(values)).rowcount > 0


def _is(run: Run) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        JOBS.c.id == run.job.id,
        JOBS.c.state == State.RUNNING,
        JOBS.c.gateway == run.gateway,
        JOBS.c.attempt == run.attempt,
    )


def _job(row: sa.Row[Any]) -> Job:
    values = dict(row._mapping)
    return Job(**{**values, "state": State(values["state"]), "priority": Priority(values["priority"])})
