"""One caller's request, and how its failure is kept to itself."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from outofsync.errors import ErrorCode, OutOfSyncError

logger = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """A file (or, between the nodes, a clip), the options as they were sent, and the caller's request id."""

    data: bytes
    options: bytes | None
    request_id: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Stands in a batch for a request that went wrong."""

    error: dict[str, Any]


def attempt(request: Request, work: Callable[[Request], T]) -> T | Failure:
    """Do one request's own work; whatever it raises becomes its failure and nobody else's."""
    try:
        return work(request)
    except OutOfSyncError as error:
        return Failure(error.to_dict(request.request_id))
    except Exception:
        logger.exception("request %s failed", request.request_id)
        internal = OutOfSyncError(ErrorCode.INTERNAL, "the server failed on this file")
        return Failure(internal.to_dict(request.request_id))
