"""One request, sent until it is answered: to the next server, with a new token, again after a while."""

from __future__ import annotations

import logging
import math
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Callable, Optional, TypeVar

from outofsync_client._answers import Answer
from outofsync_client._endpoints import Address, Endpoint
from outofsync_client._exceptions import (
    AuthenticationError,
    BusyError,
    ConnectionLostError,
    OutOfSyncError,
    UnreachableError,
)
from outofsync_client._flow import Call, Flow, Request, Sleep
from outofsync_client._retries import Retries, RetryState

T = TypeVar("T")
Prepare = Callable[[Address], Request]
"""Makes the request, anew for each attempt."""
Read = Callable[[Answer, Request], T]
"""What the answer to a request holds; raises the error that it means."""
Attempt = Callable[[Address], Flow[T]]
"""Asks one server once."""

MAX_RENEWALS = 4  # of a token or address in one attempt
ROTATION_S = 0.5  # TorchServe knows its new token a little before the state folder does
TOO_MANY_REQUESTS = 429  # about the caller, not about the server: another will say the same

logger = logging.getLogger("outofsync_client")
logger.addHandler(logging.NullHandler())  # a library is silent where nobody listens


class Sender:
    """Servers that serve alike, and which of them answered last; threads may share it."""

    def __init__(
        self, endpoints: Sequence[Endpoint], retries: Retries, total_s: Optional[float] = None
    ) -> None:
        self.retries = retries
        self._endpoints = endpoints
        self._total_s = math.inf if total_s is None else total_s
        self._preferred = 0

    @property
    def preferred(self) -> Endpoint:
        """The server that is asked first."""
        return self._endpoints[self._preferred]

    def send(
        self, path: str, prepare: Prepare, read: Read[T], *, retries: Optional[Retries] = None
    ) -> Flow[T]:
        """What is read of the attempt that went well; raises the last one's error. The log has the path."""
        request_id = uuid.uuid4().hex  # all attempts are one request to whoever reads logs
        started = time.monotonic()
        deadline = started + self._total_s

        def attempt(address: Address) -> Flow[T]:
            request = replace(prepare(address), request_id=request_id, deadline=deadline)
            answer = yield request
            return read(answer, request)

        try:
            state = RetryState(retries or self.retries, deadline=deadline)
            outcome = yield from self._with_retries(request_id, attempt, state)
        except OutOfSyncError as error:
            error.request_id = error.request_id or request_id
            _log_end(request_id, path, error.code, time.monotonic() - started)
            raise
        _log_end(request_id, path, "ok", time.monotonic() - started)
        return outcome

    def _with_retries(self, request_id: str, attempt: Attempt[T], state: RetryState) -> Flow[T]:
        """Attempts, with waits between them."""
        while True:
            try:
                return (yield from self._try_each(request_id, attempt))
            except OutOfSyncError as error:
                wait = state.next_wait(error)
                if wait is None:
                    raise
                _log_again(request_id, error.code, state.attempt, wait)
            yield from state.wait(wait, self.preferred.is_away)

    def _try_each(self, request_id: str, attempt: Attempt[T]) -> Flow[T]:
        """One attempt at each server, from the one that answered last, until one takes the request."""
        first = self._preferred
        failures: list[OutOfSyncError] = []
        for place in (*range(first, len(self._endpoints)), *range(first)):
            if failures:
                logger.warning("request %s: %s; asking the next server", request_id, failures[-1].code)
            self._preferred = place
            try:
                return (yield from self._try(self._endpoints[place], request_id, attempt))
            except OutOfSyncError as error:
                if not _may_go_better_elsewhere(error):
                    raise
                failures.append(error)
        raise max(failures, key=lambda error: error.status > 0)  # an answer says more than none

    def _try(self, endpoint: Endpoint, request_id: str, attempt: Attempt[T]) -> Flow[T]:
        """One attempt, and more while the server has another token or address than it was asked with.

        A slow upload may outlive more than one token.
        """
        address = endpoint.address()
        for _ in range(MAX_RENEWALS):
            try:
                return (yield from attempt(address))
            except (AuthenticationError, UnreachableError, ConnectionLostError) as error:
                renewed: Optional[Address] = yield Call(partial(endpoint.renew, address))
                if renewed is None and isinstance(error, AuthenticationError) and endpoint.renews_tokens:
                    yield Sleep(ROTATION_S)
                    renewed = yield Call(partial(endpoint.renew, address))
                if renewed is None:
                    raise
                logger.info("request %s: %s; the server's address or token is new", request_id, error.code)
                address = renewed
        return (yield from attempt(address))


def _may_go_better_elsewhere(error: OutOfSyncError) -> bool:
    """Not where a worker died: if the file is what kills it, one server is enough."""
    if isinstance(error, BusyError):
        return error.status != TOO_MANY_REQUESTS
    return isinstance(error, (UnreachableError, ConnectionLostError))


def _log_again(request_id: str, code: str, attempt: int, wait: float) -> None:
    fields = {"request_id": request_id, "code": code, "attempt": attempt, "wait_s": wait}
    logger.warning("request %s: %s (attempt %d); again in %.1f s", *fields.values(), extra=fields)


def _log_end(request_id: str, path: str, code: str, seconds: float) -> None:
    fields = {"request_id": request_id, "path": path, "code": code, "seconds": seconds}
    logger.info("request %s: %s, %s, %.3f s", *fields.values(), extra=fields)
