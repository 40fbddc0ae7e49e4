"""Whether a request that failed is sent again."""

from __future__ import annotations

import time

from gateway.servers import Server
from gateway.settings import GatewaySettings
from outofsync_client import (
    AuthenticationError,
    BusyError,
    ConnectionLostError,
    OutOfSyncError,
    UnreachableError,
    WorkerDiedError,
)

GONE = (UnreachableError, ConnectionLostError)
TRANSIENT = (*GONE, WorkerDiedError, BusyError)


class RetryState:
    """One request's attempts so far."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.attempt = 1
        self.failed_server: Server | None = None  # of the last attempt
        self._settings = settings
        self._token_renewed = False
        self._started = time.monotonic()

    def retries(self, server: Server, error: OutOfSyncError) -> bool:
        """Whether another attempt is made after this failure, which may do better and is not one too many.

        A refused token is read anew once, on top of the attempts that are allowed.
        """
        renewable = isinstance(error, AuthenticationError) and not self._token_renewed
        transient = isinstance(error, TRANSIENT) and error.repeatable
        if not (renewable or transient) or self.attempt > self._settings.repeats + self._token_renewed:
            return False
        if time.monotonic() - self._started > self._settings.repeat_s:
            return False
        self._token_renewed = self._token_renewed or renewable
        self.attempt += 1
        self.failed_server = server
        return True
