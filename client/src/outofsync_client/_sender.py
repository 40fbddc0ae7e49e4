"""One request, sent until it is answered: to the next server, with a new token, again after a while."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Sequence
from typing import Callable, Optional, TypeVar

from outofsync_client._endpoints import Address, Endpoint
from outofsync_client._exceptions import (
    AuthenticationError,
    BusyError,
    ConnectionLostError,
    OutOfSyncError,
    UnreachableError,
)
from outofsync_client._retries import Patience, Retries

T = TypeVar("T")
Attempt = Callable[[Address, str], T]
"""Sends the request to an address under an id, and returns what came of it or raises."""

TOO_MANY_REQUESTS = 429  # about the caller, not about the server: another will say the same

logger = logging.getLogger("outofsync_client")
logger.addHandler(logging.NullHandler())  # a library is silent where nobody listens


class Sender:
    """Servers that serve alike, and which of them answered last; threads may share it."""

    def __init__(self, endpoints: Sequence[Endpoint], retries: Retries) -> None:
        self.retries = retries
        self._endpoints = endpoints
        self._preferred = 0

    @property
    def preferred(self) -> Endpoint:
        """The server that is asked first."""
        return self._endpoints[self._preferred]

    def send(self, path: str, attempt: Attempt[T], *, retries: Optional[Retries] = None) -> T:
        """What the attempt returns that went well; raises the last one's error. The path is for the log."""
        request_id = uuid.uuid4().hex  # all attempts are one request to whoever reads logs
        started = time.monotonic()
        try:
            answer = self._persist(request_id, attempt, Patience(retries or self.retries))
        except OutOfSyncError as error:
            error.request_id = error.request_id or request_id
            _log_end(request_id, path, error.code, time.monotonic() - started)
            raise
        _log_end(request_id, path, "ok", time.monotonic() - started)
        return answer

    def _persist(self, request_id: str, attempt: Attempt[T], patience: Patience) -> T:
        """Tries, with waits between them."""
        while True:
            try:
                return self._try_each(request_id, attempt)
            except OutOfSyncError as error:
                wait = patience.next_wait(error)
                if wait is None:
                    raise
                _log_again(request_id, error.code, patience.attempt, wait)
            patience.wait(wait, self.preferred.is_away)

    def _try_each(self, request_id: str, attempt: Attempt[T]) -> T:
        """One try at each server, from the one that answered last, until one takes the request."""
        first = self._preferred
        failures: list[OutOfSyncError] = []
        for place in (*range(first, len(self._endpoints)), *range(first)):
            if failures:
                logger.warning("request %s: %s; asking the next server", request_id, failures[-1].code)
            self._preferred = place
            try:
                return self._try(self._endpoints[place], request_id, attempt)
            except OutOfSyncError as error:
                if not _may_go_better_elsewhere(error):
                    raise
                failures.append(error)
        raise max(failures, key=lambda error: error.status > 0)  # an answer says more than none

    def _try(self, endpoint: Endpoint, request_id: str, attempt: Attempt[T]) -> T:
        """One try, and one more where the server has another token or address than it was asked with."""
        address = endpoint.address()
        try:
            return attempt(address, request_id)
        except (AuthenticationError, UnreachableError, ConnectionLostError) as error:
            renewed = endpoint.renew(address)
            if renewed is None:
                raise
            logger.info("request %s: %s; the server's address or token is new", request_id, error.code)
        return attempt(renewed, request_id)


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
