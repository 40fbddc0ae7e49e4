"""What a server's answers mean.

TorchServe says the same thing in many ways: a workflow's own errors come with HTTP 200, a full queue with 503
or 500, an upload over the limit with 413 and no body, a wrong token with 400.
"""

from __future__ import annotations

import json
from typing import Any

from outofsync_client._exceptions import (
    AuthenticationError,
    BusyError,
    InternalError,
    NotDeployedError,
    OutOfSyncError,
    RequestTimeoutError,
    TooLargeError,
    UnexpectedAnswerError,
    UnreachableError,
    error_from_envelope,
)

_NO_WORKER = "no worker to serve"  # TorchServe's words for a full queue
_WORKER_DIED = "Worker died"  # 507 is also what it says when memory for uploads runs out
_BAD_TOKEN = "InvalidKeyException"

_BY_STATUS: dict[int, tuple[type[OutOfSyncError], str]] = {
    401: (AuthenticationError, "the server does not accept the token"),
    403: (AuthenticationError, "the token does not allow this request"),
    404: (NotDeployedError, "the server has nothing under this address"),
    413: (TooLargeError, "the file is larger than the server accepts"),
    429: (BusyError, "the server takes no more requests for now"),
    500: (InternalError, "the server failed while working on the request"),
    502: (UnreachableError, "the gateway cannot reach the detector behind it"),
    503: (BusyError, "the server takes no more requests for now"),
    504: (RequestTimeoutError, "the gateway stopped waiting for the detector"),
    507: (BusyError, "the server is out of memory for further requests"),
}


def read_json(status: int, body: bytes, *, request_id: str) -> dict[str, Any]:
    """The JSON object of a good answer; raises the error which any other answer means."""
    answer = _object(body)
    raise_for_error(status, answer, request_id=request_id)
    if answer is None:
        raise UnexpectedAnswerError("the answer is not a JSON object", status=status, request_id=request_id)
    return answer


def read_video(status: int, body: bytes, *, request_id: str) -> bytes:
    """The video of a good answer; raises the error which any other answer means."""
    answer = _object(body)
    raise_for_error(status, answer, request_id=request_id)
    if answer is not None or not body:
        raise UnexpectedAnswerError("the answer is not a video", status=status, request_id=request_id)
    return body


def raise_for_error(status: int, answer: dict[str, Any] | None, *, request_id: str) -> None:
    """Raise the typed error of an answer that is one."""
    envelope = (answer or {}).get("error")
    if isinstance(envelope, dict):
        raise error_from_envelope(envelope, request_id=request_id)
    if not 200 <= status < 300:
        kind, message = _kind_of(status, answer or {})
        raise kind(message, status=status, request_id=request_id)


def _kind_of(status: int, answer: dict[str, Any]) -> tuple[type[OutOfSyncError], str]:
    detail = str(answer.get("message", ""))
    if status == 400 and answer.get("type") == _BAD_TOKEN:
        return _BY_STATUS[401]
    if status == 500 and _NO_WORKER in detail:
        return _BY_STATUS[503]
    if status == 507 and _WORKER_DIED in detail:
        return InternalError, "the server's worker died while working on the request"
    return _BY_STATUS.get(status, (UnexpectedAnswerError, f"the server answered HTTP {status}"))


def _object(body: bytes) -> dict[str, Any] | None:
    if body.lstrip()[:1] != b"{":  # a video need not be tried as text
        return None
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
