"""Every error a caller can see: its stable code, its HTTP status and what to do about it.

An error travels as data. Nodes catch :class:`OutOfSyncError` and hand its dictionary on; they never
raise for what a caller sent (one exception would fail the whole batch).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class ErrorCode(StrEnum):
    """Stable words that clients match on."""

    EMPTY_FILE = "empty_file"
    UNSUPPORTED_MEDIA = "unsupported_media"
    CORRUPT_MEDIA = "corrupt_media"
    NO_VIDEO = "no_video"
    NO_AUDIO = "no_audio"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    TOO_LARGE = "too_large"
    TOO_MANY_PIXELS = "too_many_pixels"
    DECODE_TIMEOUT = "decode_timeout"
    BAD_OPTIONS = "bad_options"
    BUSY = "busy"
    INTERNAL = "internal"


class Stage(StrEnum):
    """Where in the chain an error arose."""

    REQUEST = "request"
    PROBE = "probe"
    DECODE = "decode"
    FACES = "faces"
    DEBLUR = "deblur"
    SYNCHRONY = "synchrony"
    SCORING = "scoring"
    ENCODE = "encode"


@dataclass(frozen=True, slots=True)
class ErrorSpec:
    """What every error of one code shares."""

    status: int
    hint: str


CANCELLED = "cancelled"  # of requests whose callers have left: no answer says it

# The envelope's inner object.
ENVELOPE = {"code": str, "status": int, "stage": str, "message": str, "hint": str, "request_id": str}

CATALOGUE: dict[ErrorCode, ErrorSpec] = {
    ErrorCode.EMPTY_FILE: ErrorSpec(422, "Send the video's bytes; the file that arrived holds none."),
    ErrorCode.UNSUPPORTED_MEDIA: ErrorSpec(
        415, "Send mp4, mov, mkv, webm, avi or mpg with H.264, H.265, VP9, AV1 or MPEG-4 video."
    ),
    ErrorCode.CORRUPT_MEDIA: ErrorSpec(422, "Check that the file plays to its end, or export it again."),
    ErrorCode.NO_VIDEO: ErrorSpec(422, "Send a file with a picture; this one holds sound only."),
    ErrorCode.NO_AUDIO: ErrorSpec(422, "Send a file with sound; synchrony cannot be judged without a voice."),
    ErrorCode.TOO_SHORT: ErrorSpec(422, "Send at least half a second of video with sound."),
    ErrorCode.TOO_LONG: ErrorSpec(422, "Cut the video into parts and send them one by one."),
    ErrorCode.TOO_LARGE: ErrorSpec(413, "Send a smaller file: compress it or cut it into parts."),
    ErrorCode.TOO_MANY_PIXELS: ErrorSpec(422, "Scale the video down before sending it."),
    ErrorCode.DECODE_TIMEOUT: ErrorSpec(422, "Re-encode the video with common settings (H.264, AAC)."),
    ErrorCode.BAD_OPTIONS: ErrorSpec(400, "Correct the named option; the README lists all of them."),
    ErrorCode.BUSY: ErrorSpec(503, "Wait a moment and send the request again."),
    ErrorCode.INTERNAL: ErrorSpec(500, "Try again; if it persists, report it with the request id."),
}


class OutOfSyncError(Exception):
    """A failure with a stable code, the stage it arose in and a sentence for people."""

    def __init__(
        self, code: ErrorCode, message: str, *, stage: Stage = Stage.REQUEST, hint: str | None = None
    ) -> None:
        """``hint`` says what to do about this very error, where more is known than for all of its code."""
        super().__init__(message)
        self.code = code
        self.stage = stage
        self.message = message
        self.hint = hint or CATALOGUE[code].hint

    def __reduce__(self) -> tuple[Callable[..., OutOfSyncError], tuple[ErrorCode, str, Stage, str]]:
        """Errors cross from process to process whole; without this, only their message would."""
        return _again, (self.code, self.message, self.stage, self.hint)

    def to_dict(self, request_id: str = "") -> dict[str, Any]:
        """The error envelope's inner object."""
        spec = CATALOGUE[self.code]
        return {
            "code": self.code.value,
            "status": spec.status,
            "stage": self.stage.value,
            "message": self.message,
            "hint": self.hint,
            "request_id": request_id,
        }

    @classmethod
    def from_dict(cls, error: dict[str, Any]) -> OutOfSyncError:
        """Rebuild an error that travelled as data."""
        hint = error.get("hint")
        return cls(
            ErrorCode(error["code"]),
            error["message"],
            stage=Stage(error["stage"]),
            hint=hint if isinstance(hint, str) else None,
        )


def checked_envelope(error: Mapping[str, Any]) -> dict[str, Any]:
    """The envelope's inner object as it came from elsewhere, in its own order, without what does not belong.

    Codes and hints may be those of another version. Raises KeyError or ValueError for what is no envelope.
    """
    if any(type(error[name]) is not kind for name, kind in ENVELOPE.items()):
        raise ValueError("no error envelope")
    if not 400 <= error["status"] <= 599:
        raise ValueError(f"{error['status']} is no status of an error")
    return {name: value for name, value in error.items() if name in ENVELOPE}


def cancelled_envelope(stage: str, request_id: str) -> dict[str, Any]:
    """What stands for a request that nobody waits for any more; logs and metrics alone see it."""
    return {
        "code": CANCELLED,
        "status": 499,
        "stage": stage,
        "message": "nobody waits for this request any more",
        "hint": "Send it again.",
        "request_id": request_id,
    }


class DecoderEnd(StrEnum):
    """How a file ended the decoder, for whoever counts."""

    CRASH = "crash"  # died, or stopped making sense
    TIMEOUT = "timeout"  # was killed for the time that it took
    REFUSAL = "refusal"  # was killed for what it tried to do (outofsync.confinement)


class DecoderDiedError(OutOfSyncError):
    """A file ended the decoder. Callers see an error like any other."""

    def __init__(self, code: ErrorCode, message: str, *, how: DecoderEnd, stage: Stage) -> None:
        super().__init__(code, message, stage=stage)
        self.how = how


def _again(code: ErrorCode, message: str, stage: Stage, hint: str) -> OutOfSyncError:
    return OutOfSyncError(code, message, stage=stage, hint=hint)
