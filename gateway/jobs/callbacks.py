"""What is kept of callbacks: each key's secrets, and a ledger of attempts. Methods block."""

from __future__ import annotations

import base64
import secrets
import time
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from gateway.jobs.tables import ATTEMPTS, JOBS, SECRETS

SECRET_PREFIX = "whsec_"  # as Standard Webhooks has it
SECRET_BYTES = 32
OVERLAP_S = 86_400.0  # for which the secret before signs as well, so that receivers can change theirs


class CallbackState(StrEnum):
    """Where a callback is; a job without one has none."""

    PENDING = "pending"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


@dataclass(frozen=True)
class Attempt:
    """A line of the ledger; ``status`` is the answer's, or None and ``problem`` says why there was none."""

    number: int
    at: float
    status: int | None
    problem: str | None


class Callbacks:
    """Secrets and ledger in one database."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def new_secret(self, holder: str) -> str:
        """Make a key's next secret; the one before signs for a day more, and none that is older."""
        now = time.time()
        secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
        with self._engine.begin() as connection:
            newest = sa.select(sa.func.max(SECRETS.c.created)).where(SECRETS.c.holder == holder)
            last = connection.scalar(newest)
            if last is not None:
                older = sa.and_(SECRETS.c.holder == holder, SECRETS.c.created < last)
                connection.execute(sa.delete(SECRETS).where(older))
                now = max(now, last + 1e-3)
            connection.execute(sa.insert(SECRETS).values(holder=holder, secret=secret, created=now))
        return secret

    def secrets(self, holder: str) -> list[str]:
        """The secrets that sign for a key now, newest first."""
        query = sa.select(SECRETS.c.secret, SECRETS.c.created).where(SECRETS.c.holder == holder)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(SECRETS.c.created.desc())).all()
        lasting = bool(rows) and rows[0].created > time.time() - OVERLAP_S
        return [row.secret for row in rows[: 2 if lasting else 1]]

    def note(self, job: str, attempt: Attempt, state: CallbackState) -> None:
        """Enter an attempt, and what it came to."""
        with self._engine.begin() as connection:
            same = sa.and_(ATTEMPTS.c.job == job, ATTEMPTS.c.number == attempt.number)
            connection.execute(sa.delete(ATTEMPTS).where(same))  # of a gateway that died before it said so
            connection.execute(sa.insert(ATTEMPTS).values(job=job, **vars(attempt)))
            connection.execute(sa.update(JOBS).where(JOBS.c.id == job).values(callback_state=state))

    def attempts(self, job: str) -> list[Attempt]:
        """A job's ledger, oldest first."""
        columns = [column for column in ATTEMPTS.c if column.name != "job"]
        query = sa.select(*columns).where(ATTEMPTS.c.job == job).order_by(ATTEMPTS.c.number)
        with self._engine.connect() as connection:
            return [Attempt(**row._mapping) for row in connection.execute(query)]

    def unsaid(self, older_than_s: float, limit: int) -> list[str]:
        """Jobs that ended so long ago, in seconds, and whose callback nobody has begun with."""
        begun = sa.select(ATTEMPTS.c.job)
        query = sa.select(JOBS.c.id).where(
            JOBS.c.callback_state == CallbackState.PENDING,
            JOBS.c.ended < time.time() - older_than_s,
            JOBS.c.id.not_in(begun),
        )
        with self._engine.connect() as connection:
            return list(connection.scalars(query.limit(limit)))
