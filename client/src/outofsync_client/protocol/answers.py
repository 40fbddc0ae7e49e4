"""What a server's answers mean.

TorchServe says the same thing in many ways: a workflow's own errors come with HTTP 200, a full queue with 503
or 500, an upload over the limit with 413 and no body, a wrong token with 400.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outofsync_client._exceptions import (
    AuthenticationError,
    BusyError,
    InternalError,
    MethodNotAllowedError,
    NotDeployedError,
    OutOfSyncError,
    RequestTimeoutError,
    TooLargeError,
    UnexpectedAnswerError,
    UnreachableError,
    WorkerDiedError,
    error_from_envelope,
)

_NO_WORKER = "no worker to serve"  # TorchServe's words for a full queue
_WORKER_DIED = "Worker died"  # 507 is also what it says when memory for uploads runs out
_NODE_FAILED = "Error executing"  # a workflow's node broke: nodes never raise, so its worker died or was late
_BAD_TOKEN = "InvalidKeyException"
_NOT_READY = "not_ready"  # the edge's word for its own health

_BY_STATUS: dict[int, tuple[type[OutOfSyncError], str]] = {
    401: (AuthenticationError, "the server does not accept the token"),
    403: (AuthenticationError, "the token does not allow this request"),
    404: (NotDeployedError, "the server has nothing under this address"),
    405: (MethodNotAllowedError, "the server takes no such request under this address"),
    413: (TooLargeError, "the file is larger than the server accepts"),
    429: (BusyError, "the server takes no more requests for now"),
    500: (InternalError, "the server failed while working on the request"),
    502: (UnreachableError, "the gateway cannot reach the detector behind it"),
    503: (BusyError, "the server takes no more requests for now"),
    504: (RequestTimeoutError, "the gateway stopped waiting for the detector"),
    507: (BusyError, "the server is out of memory for further requests"),
}


def error_in(status: int, values: Mapping[str, Any] | None, *, request_id: str) -> OutOfSyncError | None:
    """The error that an answer of this status and JSON object means, None where it means none."""
    envelope = (values or {}).get("error")
    if isinstance(envelope, dict):
        return error_from_envelope(envelope, request_id=request_id)
    if 200 <= status < 300:
        return None
    kind, message, fitting = _meaning(status, values or {})
    return kind(message, status=fitting, request_id=request_id)


def _meaning(status: int, answer: Mapping[str, Any]) -> tuple[type[OutOfSyncError], str, int]:
    """The error, what to say of it, and the status that fits it: TorchServe's own often does not."""
    detail = str(answer.get("message", ""))
    if status == 503 and answer.get("status") == _NOT_READY:
        return BusyError, "no server behind the edge is ready", 503
    if _WORKER_DIED in detail or (status == 500 and _NODE_FAILED in detail):
        return WorkerDiedError, "the server's worker died while working on the request", 500
    if refuses_token(status, answer):
        status = 401
    if status == 500 and _NO_WORKER in detail:
        status = 503
    kind, message = _BY_STATUS.get(status, (UnexpectedAnswerError, f"the server answered HTTP {status}"))
    return kind, message, status


def refuses_token(status: int, values: Mapping[str, Any]) -> bool:
    """Whether this is how TorchServe refuses a token."""
    return status == 400 and values.get("type") == _BAD_TOKEN
