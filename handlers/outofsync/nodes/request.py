"""One caller's request, and how its failure is kept to itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from outofsync.errors import DecoderDiedError, ErrorCode, OutOfSyncError
from outofsync.progress import NOBODY, AbandonedError, Progress

logger = logging.getLogger(__name__)
T = TypeVar("T")
LONGEST_ARRIVAL_S = 3600.0


@dataclass(eq=False, slots=True)
class Request:
    """A file (or, between the nodes, a clip), the options as they were sent, and the caller's request id."""

    data: bytes | bytearray
    options: bytes | None
    request_id: str
    sent_s: float | None = None  # when the caller began to send it, in seconds of the clock, if it said so
    progress: Progress = NOBODY
    released: bool = field(default=False, init=False)  # whether the file was let go of

    def arrival(self) -> dict[str, float]:
        """Milliseconds since the caller began to send: upload and queueing. Empty where clocks disagree."""
        if self.sent_s is None or not 0.0 <= (waited := time.time() - self.sent_s) <= LONGEST_ARRIVAL_S:
            return {}
        return {"arrival": round(waited * 1000.0, 3)}

    def release(self) -> None:
        """Let go of the file: the server holds on to it until the whole batch is answered."""
        if isinstance(self.data, bytearray):
            self.data.clear()
            self.released = True


@dataclass(frozen=True, slots=True)
class Failure:
    """Stands in a batch for a request that went wrong, here or (``passed_on``) at the node before."""

    error: dict[str, Any]
    decoder: str = ""  # how the file ended the decoder, if it did
    passed_on: bool = False


def attempt(request: Request, work: Callable[[Request], T]) -> T | Failure:
    """Do one request's own work; whatever it raises becomes its failure and nobody else's."""
    try:
        if request.released:  # its batch broke after its own work was done; there is nothing left to work on
            raise OutOfSyncError(ErrorCode.INTERNAL, "the server failed on this file")
        return work(request)
    except AbandonedError as error:
        return Failure(error.to_dict(request.request_id))
    except OutOfSyncError as error:
        how = error.how if isinstance(error, DecoderDiedError) else ""
        return Failure(error.to_dict(request.request_id), decoder=how)
    except Exception:
        logger.exception("request %s failed", request.request_id)
        internal = OutOfSyncError(ErrorCode.INTERNAL, "the server failed on this file")
        return Failure(internal.to_dict(request.request_id))
