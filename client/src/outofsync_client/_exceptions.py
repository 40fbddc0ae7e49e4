"""Everything that can go wrong, as one tree.

::

    OutOfSyncError
    ├── MediaError                  the file cannot be judged; another file may
    │   ├── EmptyFileError          empty_file
    │   ├── UnsupportedMediaError   unsupported_media
    │   ├── CorruptMediaError       corrupt_media
    │   ├── NoVideoError            no_video
    │   ├── NoAudioError            no_audio
    │   ├── TooShortError           too_short
    │   ├── TooLongError            too_long
    │   ├── TooLargeError           too_large
    │   ├── TooManyPixelsError      too_many_pixels
    │   ├── DecodeTimeoutError      decode_timeout
    │   └── UnreadableFileError     unreadable_file (found here, before anything was sent)
    ├── BadOptionsError             bad_options
    ├── ServerError                 the server could not do its work
    │   ├── BusyError               busy
    │   ├── InternalError           internal
    │   │   └── WorkerDiedError     worker_died (while it was at the request)
    │   ├── NotDeployedError        not_deployed (the server runs, without the detector)
    │   ├── NotFoundError           not_found (the edge has no such address)
    │   └── MethodNotAllowedError   method_not_allowed
    ├── AuthenticationError         authentication
    └── TransportError              no usable answer came back
        ├── UnreachableError        unreachable
        ├── UntrustedServerError    untrusted (its certificate)
        ├── ConnectionLostError     connection_lost
        ├── RequestTimeoutError     timeout
        └── UnexpectedAnswerError   unexpected_answer
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from outofsync_client.protocol import ErrorCode


class OutOfSyncError(Exception):
    """A failed request.

    ``code`` is a stable word to match on, ``status`` the HTTP status that fits it (0 where no answer came),
    ``stage`` where in the server's chain it arose, ``message`` and ``hint`` are sentences for people, and
    ``request_id`` is what the server's logs call this request. ``repeatable`` says whether the same request
    may do better a little later, and ``retry_after`` after how many seconds the server thinks so, if it said.
    """

    default_code: ClassVar[str] = "unknown"
    default_hint: ClassVar[str] = ""  # for failures that the client finds itself; the server sends its own
    repeatable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int = 0,
        stage: str = "",
        hint: str | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = self.default_code if code is None else code
        self.status = status
        self.stage = stage
        self.hint = self.default_hint if hint is None else hint
        self.request_id = request_id
        self.retry_after: float | None = None

    def __str__(self) -> str:
        sentence = self.message.rstrip(".") + "."
        request = f"(request {self.request_id})" if self.request_id else ""
        return " ".join(part for part in (sentence, self.hint, request) if part)

    def to_dict(self) -> dict[str, Any]:
        """The inner object of the server's error envelope."""
        return {
            "code": self.code,
            "status": self.status,
            "stage": self.stage,
            "message": self.message,
            "hint": self.hint,
            "request_id": self.request_id,
        }


class MediaError(OutOfSyncError):
    """The file cannot be judged."""


class EmptyFileError(MediaError):
    """The file holds no bytes."""

    default_code = ErrorCode.EMPTY_FILE


class UnsupportedMediaError(MediaError):
    """The container or codec is not one the server reads."""

    default_code = ErrorCode.UNSUPPORTED_MEDIA


class CorruptMediaError(MediaError):
    """The file is damaged."""

    default_code = ErrorCode.CORRUPT_MEDIA


class NoVideoError(MediaError):
    """The file has no picture."""

    default_code = ErrorCode.NO_VIDEO


class NoAudioError(MediaError):
    """The file has no sound."""

    default_code = ErrorCode.NO_AUDIO


class TooShortError(MediaError):
    """Too little video to judge."""

    default_code = ErrorCode.TOO_SHORT


class TooLongError(MediaError):
    """The video lasts longer than the server accepts."""

    default_code = ErrorCode.TOO_LONG


class TooLargeError(MediaError):
    """The file has more bytes than the server accepts."""

    default_code = ErrorCode.TOO_LARGE
    default_hint = "Send a smaller file: compress it or cut it into parts."


class TooManyPixelsError(MediaError):
    """The picture is larger than the server accepts."""

    default_code = ErrorCode.TOO_MANY_PIXELS


class DecodeTimeoutError(MediaError):
    """Decoding the file took too long."""

    default_code = ErrorCode.DECODE_TIMEOUT


class UnreadableFileError(MediaError):
    """The file could not be read on this machine; ``__cause__`` says why."""

    default_code = ErrorCode.UNREADABLE_FILE
    default_hint = "Check the path and its permissions."


class BadOptionsError(OutOfSyncError):
    """An option is unknown or has a value it cannot take."""

    default_code = ErrorCode.BAD_OPTIONS


class ServerError(OutOfSyncError):
    """The server could not do its work."""


class BusyError(ServerError):
    """The server has more requests than it can take."""

    default_code = ErrorCode.BUSY
    default_hint = "Wait a moment and send the request again."
    repeatable = True


class InternalError(ServerError):
    """A fault of the server's own."""

    default_code = ErrorCode.INTERNAL
    default_hint = "Try again; if it persists, report it with the request id."


class WorkerDiedError(InternalError):
    """The process that was at the request ended; TorchServe starts another."""

    default_code = ErrorCode.WORKER_DIED
    default_hint = "Try again; if it persists, this file may be what ends it: report it with the request id."
    repeatable = True


class NotDeployedError(ServerError):
    """The server runs, but it does not serve the detector."""

    default_code = ErrorCode.NOT_DEPLOYED
    default_hint = "Register the workflow (`make serve` does) or check the URL."


class NotFoundError(ServerError):
    """The edge has nothing under this address."""

    default_code = ErrorCode.NOT_FOUND
    default_hint = "Check the URL: it ends before /v1."


class MethodNotAllowedError(ServerError):
    """The address is asked in another way."""

    default_code = ErrorCode.METHOD_NOT_ALLOWED
    default_hint = "Check the URL: it names the server alone, and ends before /v1."


class AuthenticationError(OutOfSyncError):
    """The token or API key is missing, wrong or expired."""

    default_code = ErrorCode.AUTHENTICATION
    default_hint = "Pass an API key of the edge, or TorchServe's current inference token: it makes new ones."


class TransportError(OutOfSyncError):
    """No usable answer came back."""


class UnreachableError(TransportError):
    """Nothing listens at the server's address."""

    default_code = ErrorCode.UNREACHABLE
    default_hint = "Check that the server runs and that the URL is right."
    repeatable = True


class UntrustedServerError(TransportError):
    """The server's certificate is not one that is trusted here."""

    default_code = ErrorCode.UNTRUSTED
    default_hint = "Name the certificate authority that signed it, or check that the URL is right."


class ConnectionLostError(TransportError):
    """The connection broke before the answer was complete."""

    default_code = ErrorCode.CONNECTION_LOST
    default_hint = "Try again; a server also hangs up on a file that is too large for it."
    repeatable = True


class RequestTimeoutError(TransportError):
    """The server did not answer in time."""

    default_code = ErrorCode.TIMEOUT
    default_hint = "Allow more time, or send a shorter video."
    repeatable = True


class UnexpectedAnswerError(TransportError):
    """What came back is not what an OutOfSync server says."""

    default_code = ErrorCode.UNEXPECTED_ANSWER
    default_hint = "Check that the URL names an OutOfSync server of a matching version."


def _concrete(parent: type[OutOfSyncError]) -> Iterator[type[OutOfSyncError]]:
    for child in parent.__subclasses__():
        if "default_code" in vars(child):
            yield child
        yield from _concrete(child)


ERRORS_BY_CODE: dict[str, type[OutOfSyncError]] = {
    kind.default_code: kind for kind in _concrete(OutOfSyncError)
}


def error_from_envelope(envelope: Mapping[str, Any], *, request_id: str) -> OutOfSyncError:
    """The exception which the inner object of a server's ``{"error": …}`` names.

    A code of a newer server, which this client does not know, becomes a plain :class:`OutOfSyncError`.
    """
    code = str(envelope.get("code", OutOfSyncError.default_code))
    status = envelope.get("status")
    return ERRORS_BY_CODE.get(code, OutOfSyncError)(
        str(envelope.get("message", "the server reported an error without a message")),
        code=code,
        status=status if isinstance(status, int) else 0,
        stage=str(envelope.get("stage", "")),
        hint=str(envelope.get("hint", "")),
        request_id=str(envelope.get("request_id") or request_id),
    )
