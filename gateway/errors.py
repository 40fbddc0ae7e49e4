"""Errors as the edge says them: the envelope, its HTTP status, and when to come back."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import outofsync_client as client
from outofsync.errors import CATALOGUE, ErrorCode
from outofsync_client.protocol import API_KEY_HEADER, EDGE_STAGE, RETRY_AFTER_S
from outofsync_client.protocol import ErrorCode as Code

_HINTS = {
    Code.AUTHENTICATION: f"Send a valid key as {API_KEY_HEADER}, or as Authorization: Bearer.",
    Code.NOT_FOUND: "The API reference lists every address.",
    Code.METHOD_NOT_ALLOWED: "The API reference says how each address is asked.",
    Code.NOT_DEPLOYED: "Ask whoever runs the server: it serves the workflow, or this model, not at all.",
    Code.TIMEOUT: "Send a shorter video, or its parts one by one.",
}


JOBS_RETRY_AFTER_S = 30  # for whoever has too many jobs: some of them may end until then


class EdgeError(Exception):
    """A request that ends here: the envelope's inner object but for its id, and the answer's headers."""

    def __init__(self, error: dict[str, Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(error["message"])
        self.error = error
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        """The HTTP status."""
        return int(self.error["status"])

    @property
    def code(self) -> str:
        """The stable word for it."""
        return str(self.error["code"])

    def envelope(self, request_id: str) -> dict[str, Any]:
        """The response's JSON body."""
        return {"error": {**self.error, "request_id": request_id}}


def edge_error(code: str, status: int, message: str, *, hint: str = "", **headers: str) -> EdgeError:
    """An error that arose here; headers' names have underscores for dashes."""
    hint = hint or _HINTS.get(code) or CATALOGUE[ErrorCode(code)].hint
    error = {"code": code, "status": status, "stage": EDGE_STAGE, "message": message, "hint": hint}
    return EdgeError(error, {name.replace("_", "-"): value for name, value in headers.items()})


def busy(message: str) -> EdgeError:
    """503: the same request may do better a little later."""
    return edge_error(Code.BUSY, HTTPStatus.SERVICE_UNAVAILABLE, message, Retry_After=str(RETRY_AFTER_S))


def unauthenticated(message: str, *, hint: str = "") -> EdgeError:
    """401: no key, or none that is valid."""
    challenge = 'Bearer realm="outofsync"'
    status = HTTPStatus.UNAUTHORIZED
    return edge_error(Code.AUTHENTICATION, status, message, hint=hint, WWW_Authenticate=challenge)


def foreign(message: str) -> EdgeError:
    """403: what another page of the same browser asks of one that is served on this machine alone."""
    hint = "Open the page at the address that was printed when it was started."
    return edge_error(Code.AUTHENTICATION, HTTPStatus.FORBIDDEN, message, hint=hint)


def too_large(max_bytes: int) -> EdgeError:
    """413, which ends the connection: the rest of the body is not waited for."""
    message = f"the request is larger than the {max_bytes / 1e6:.0f} MB allowed"
    return edge_error(Code.TOO_LARGE, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message, Connection="close")


def malformed_form(message: str) -> EdgeError:
    """400: a form that cannot be read, or holds what nobody knows."""
    return edge_error(Code.BAD_OPTIONS, HTTPStatus.BAD_REQUEST, message)


def bad_options(message: str) -> EdgeError:
    """400: what is asked for makes no sense."""
    return edge_error(Code.BAD_OPTIONS, HTTPStatus.BAD_REQUEST, message)


def empty_file() -> EdgeError:
    """422: a job without a file, of which a server would say the same."""
    return edge_error(ErrorCode.EMPTY_FILE, HTTPStatus.UNPROCESSABLE_ENTITY, "the request holds no file")


def misplaced_options() -> EdgeError:
    """400: options in the address, where nobody reads them."""
    message = "the address holds options, which are read from the form alone"
    hint = "Send a form with the video as data and a JSON object as options; the API reference shows one."
    return edge_error(Code.BAD_OPTIONS, HTTPStatus.BAD_REQUEST, message, hint=hint)


def coded_body(coding: str) -> EdgeError:
    """415: a body that is to be decoded first; videos are compressed already."""
    message = f"the body is coded with {coding!r}, which is not undone here"
    hint = "Send the video file's own bytes, without Content-Encoding."
    return edge_error(ErrorCode.UNSUPPORTED_MEDIA, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, message, hint=hint)


def bad_report(message: str) -> EdgeError:
    """400: what no report can be drawn of."""
    hint = "Send the result whole, as /v1/detect answered it, with the video's name and a format."
    return edge_error(Code.BAD_OPTIONS, HTTPStatus.BAD_REQUEST, message, hint=hint)


def not_found() -> EdgeError:
    """404: no such route."""
    return edge_error(Code.NOT_FOUND, HTTPStatus.NOT_FOUND, "there is nothing at this address")


def no_such_request() -> EdgeError:
    """404: no request of this name, or somebody else's."""
    message, hint = "no such request is under way", "Ask just before it is sent, with the same key."
    return edge_error(Code.NOT_FOUND, HTTPStatus.NOT_FOUND, message, hint=hint)


def no_such_job() -> EdgeError:
    """404: no job of this name, or somebody else's."""
    message, hint = "there is no such job", "Ask with the key that handed it in; jobs are forgotten in time."
    return edge_error(Code.NOT_FOUND, HTTPStatus.NOT_FOUND, message, hint=hint)


def reused_key() -> EdgeError:
    """422: a key of idempotency that named a job of another file, or with other options."""
    message, hint = "this Idempotency-Key has named another job", "Choose a new one for each job."
    return edge_error(Code.BAD_OPTIONS, HTTPStatus.UNPROCESSABLE_ENTITY, message, hint=hint)


def no_such_upload() -> EdgeError:
    """404: no upload in pieces of this name, or somebody else's."""
    message, hint = "there is no such upload", "Begin it anew: it was complete, or has expired."
    return edge_error(Code.NOT_FOUND, HTTPStatus.NOT_FOUND, message, hint=hint)


def no_result(state: str) -> EdgeError:
    """404: a job that has no result, not yet or not at all."""
    message, hint = (
        f"the job is {state}, and has no result",
        "Ask once it is done; results are kept for a time.",
    )
    return edge_error(Code.NOT_FOUND, HTTPStatus.NOT_FOUND, message, hint=hint)


def too_many_jobs(message: str) -> EdgeError:
    """429: this key has to wait for its own jobs, not for others'."""
    hint = "Wait until some of them have ended, or cancel some."
    status, later = HTTPStatus.TOO_MANY_REQUESTS, str(JOBS_RETRY_AFTER_S)
    return edge_error(Code.BUSY, status, message, hint=hint, Retry_After=later)


def method_not_allowed(allowed: str) -> EdgeError:
    """405: a route that takes other methods, named as in ``Allow``."""
    message = f"this address takes {allowed}"
    return edge_error(Code.METHOD_NOT_ALLOWED, HTTPStatus.METHOD_NOT_ALLOWED, message, Allow=allowed)


def too_slow() -> EdgeError:
    """408: headers that did not come in time, or a body that hardly comes at all."""
    message, hint = "the request came too slowly", "Send it over a faster connection."
    return edge_error(Code.TIMEOUT, HTTPStatus.REQUEST_TIMEOUT, message, hint=hint)


def not_http() -> EdgeError:
    """400: bytes that are no request."""
    message = "the request is not well-formed HTTP"
    return edge_error(Code.BAD_OPTIONS, HTTPStatus.BAD_REQUEST, message, hint="Send it anew.")


def internal(message: str = "the server failed on this file") -> EdgeError:
    """500: nobody's fault but ours."""
    return edge_error(Code.INTERNAL, HTTPStatus.INTERNAL_SERVER_ERROR, message)


def error_from_server(error: client.OutOfSyncError) -> EdgeError:
    """What a server's answer means to the caller: its own envelope, or ours for TorchServe's words."""
    if error.code in {code.value for code in ErrorCode} and error.stage:
        values = error.to_dict()
        values.pop("request_id")
        headers = {"Retry-After": str(RETRY_AFTER_S)} if error.code == ErrorCode.BUSY else {}
        return EdgeError(values, headers)
    if isinstance(error, client.TooLargeError):
        return edge_error(Code.TOO_LARGE, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, error.message)
    if isinstance(error, client.RequestTimeoutError):
        return edge_error(Code.TIMEOUT, HTTPStatus.GATEWAY_TIMEOUT, error.message)
    if isinstance(error, client.NotDeployedError):
        return edge_error(
            Code.NOT_DEPLOYED, HTTPStatus.NOT_FOUND, "no server has what this address stands for"
        )
    if isinstance(error, (client.InternalError, client.WorkerDiedError, client.UnexpectedAnswerError)):
        return internal()
    return busy("no server can take the request for now")
