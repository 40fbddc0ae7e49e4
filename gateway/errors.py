"""Errors as the edge says them: DESIGN's envelope, its HTTP status, and when to come back."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import outofsync_client as client
from outofsync.errors import CATALOGUE, ErrorCode

STAGE = "edge"
RETRY_AFTER_S = 2

_HINTS = {
    "authentication": "Send a valid key as X-Api-Key, or as Authorization: Bearer.",
    "not_found": "The API reference lists every address.",
    "method_not_allowed": "The API reference says how each address is asked.",
    "not_deployed": "Ask whoever runs the server: it serves the workflow, or this model, not at all.",
    "timeout": "Send a shorter video, or its parts one by one.",
}


class EdgeError(Exception):
    """A request that ends here: the envelope's inner object but for its id, and the answer's headers."""

    def __init__(self, error: dict[str, Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(error["message"])
        self.error = error
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        return int(self.error["status"])

    @property
    def code(self) -> str:
        return str(self.error["code"])

    def envelope(self, request_id: str) -> dict[str, Any]:
        return {"error": {**self.error, "request_id": request_id}}


def edge_error(code: str, status: int, message: str, *, hint: str = "", **headers: str) -> EdgeError:
    """An error that arose here; headers' names have underscores for dashes."""
    hint = hint or _HINTS.get(code) or CATALOGUE[ErrorCode(code)].hint
    error = {"code": code, "status": status, "stage": STAGE, "message": message, "hint": hint}
    return EdgeError(error, {name.replace("_", "-"): value for name, value in headers.items()})


def busy(message: str, *, after_s: int = RETRY_AFTER_S) -> EdgeError:
    return edge_error("busy", HTTPStatus.SERVICE_UNAVAILABLE, message, Retry_After=str(after_s))


def unauthenticated(message: str) -> EdgeError:
    return edge_error(
        "authentication", HTTPStatus.UNAUTHORIZED, message, WWW_Authenticate='Bearer realm="outofsync"'
    )


def too_large(most_bytes: int) -> EdgeError:
    message = f"the request is larger than the {most_bytes / 1e6:.0f} MB allowed"
    return edge_error("too_large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message, Connection="close")


def too_slow() -> EdgeError:
    message, hint = "the request came too slowly", "Send it over a faster connection."
    return edge_error("timeout", HTTPStatus.REQUEST_TIMEOUT, message, hint=hint)


def not_http() -> EdgeError:
    message = "the request is not well-formed HTTP"
    return edge_error("bad_options", HTTPStatus.BAD_REQUEST, message, hint="Send it anew.")


def internal(message: str = "the server failed on this file") -> EdgeError:
    return edge_error("internal", HTTPStatus.INTERNAL_SERVER_ERROR, message)


def told_by_server(error: client.OutOfSyncError) -> EdgeError:
    """What a server's answer means to the caller: its own envelope, or ours for TorchServe's words."""
    if error.code in {code.value for code in ErrorCode} and error.stage:
        values = error.to_dict()
        values.pop("request_id")
        headers = {"Retry-After": str(RETRY_AFTER_S)} if error.code == ErrorCode.BUSY else {}
        return EdgeError(values, headers)
    if isinstance(error, client.TooLargeError):
        return edge_error("too_large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, error.message)
    if isinstance(error, client.RequestTimeoutError):
        return edge_error("timeout", HTTPStatus.GATEWAY_TIMEOUT, error.message)
    if isinstance(error, client.NotDeployedError):
        return edge_error("not_deployed", HTTPStatus.NOT_FOUND, "no server has what this address stands for")
    if isinstance(error, (client.InternalError, client.WorkerDiedError, client.UnexpectedAnswerError)):
        return internal()
    return busy("no server can take the request for now")
