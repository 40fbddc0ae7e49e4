"""When and how often a request is sent again.

Judging is a function of the file and the options alone, and so is deblurring: a request may safely be sent
twice. Repeated is only what may go better the next time: a busy server, a lost connection, a worker that
died, a gateway that cannot reach the detector.
"""

from __future__ import annotations

import math
import random
import re
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Callable, Optional

from outofsync_client._exceptions import OutOfSyncError, RequestTimeoutError
from outofsync_client._flow import Flow, Sleep

RETURN_POLL_S = 0.2
SECONDS = re.compile("[0-9]{1,15}")  # not all that str.isdigit() takes, such as a superscript, is a number


@dataclass(frozen=True)
class Retries:
    """How patient a client is.

    ``attempts``: tries in all; ``first_wait``: seconds before the second try at most, doubled with each
    further one up to ``longest_wait``; ``budget``: seconds since the first try in which another may begin, so
    that work which takes long is not done twice. A server's Retry-After is a lower bound. Waits are random
    below their bound, so that many clients do not return in step. Of several servers, each try asks one after
    the other. ``restart``: seconds that a try waits for a server of this machine to come back;
    ``timeouts``: whether a request that got no answer in this client's own time is repeated, too. Raises
    ValueError for values that make no sense.
    """

    attempts: int = 6
    first_wait: float = 0.5
    longest_wait: float = 20.0
    budget: float = 300.0
    restart: float = 60.0
    timeouts: bool = False

    def __post_init__(self) -> None:
        times = (self.first_wait, self.longest_wait, self.budget, self.restart)
        if self.attempts < 1 or not all(seconds >= 0 for seconds in times):
            raise ValueError("a client tries at least once and waits for no negative time")

    @classmethod
    def none(cls) -> Retries:
        """One try."""
        return cls(attempts=1)

    def repeats(self, error: OutOfSyncError) -> bool:
        """Whether a request that failed so is sent again."""
        if isinstance(error, RequestTimeoutError) and not error.status:  # no gateway's: nothing was answered
            return self.timeouts
        return error.repeatable

    def bound(self, attempt: int) -> float:
        """The longest wait (s) after this attempt, the first being 1."""
        return min(self.longest_wait, self.first_wait * 2.0 ** min(attempt - 1, 60))


class RetryState:
    """How often one request was tried, and until when (time.monotonic()) it may be.

    ``deadline`` is the end of all of it. ``clock`` and ``uniform`` are there for tests.
    """

    def __init__(
        self,
        retries: Retries,
        *,
        deadline: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.attempt = 1
        self._retries = retries
        self._clock = clock
        self._until = min(clock() + retries.budget, deadline)
        self._back_by: Optional[float] = None
        self._uniform = uniform

    def next_wait(self, error: OutOfSyncError) -> Optional[float]:
        """Seconds until the next attempt after this failure; None where there is to be none."""
        if self.attempt >= self._retries.attempts or not self._retries.repeats(error):
            return None
        wait = self._uniform(0.0, self._retries.bound(self.attempt)) + (error.retry_after or 0.0)
        return wait if self._clock() + wait <= self._until else None

    def wait(self, seconds: float, is_away: Callable[[], bool] = lambda: False) -> Flow[None]:
        """Let the time pass, and more while the server is away; then the next attempt begins."""
        self.attempt += 1
        yield Sleep(seconds)
        while is_away() and self._clock() < self._return_deadline():
            yield Sleep(RETURN_POLL_S)

    def _return_deadline(self) -> float:
        """One for the whole request, from when the server was first found to be away."""
        if self._back_by is None:
            self._back_by = min(self._clock() + self._retries.restart, self._until)
        return self._back_by


def retry_after_seconds(value: Optional[str]) -> Optional[float]:
    """A Retry-After header in seconds from now; None where it is missing or makes no sense."""
    if not value:
        return None
    if SECONDS.fullmatch(value.strip()):
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError, OverflowError):  # the last of years that no date has
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return max(0.0, (moment - datetime.now(timezone.utc)).total_seconds())
