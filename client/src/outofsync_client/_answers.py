"""What came back for a request, as what was asked for or as the error that it means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from outofsync_client._exceptions import UnexpectedAnswerError
from outofsync_client._metrics import Metrics
from outofsync_client._retries import retry_after_seconds
from outofsync_client.protocol.answers import error_in

_MP4 = b"ftyp"  # the type of the first box of every mp4 file, after its size


@dataclass(frozen=True)
class Answer:
    """What came back for one request."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    request_id: str

    def json(self) -> dict[str, Any]:
        """The JSON object of a good answer; raises the error which any other answer means."""
        values = _object(self.body)
        self.raise_for_error(values)
        if values is None:
            raise self.unexpected("the answer is not a JSON object")
        return values

    def check(self) -> None:
        """Raises the error that the answer means, whatever a good one holds."""
        self.raise_for_error(_object(self.body))

    def video(self) -> bytes:
        """The video of a good answer; raises the error which any other answer means."""
        values = _object(self.body)
        self.raise_for_error(values)
        if self.body[4:8] != _MP4:
            raise self.unexpected("the answer is not a video")
        return self.body

    def metrics(self) -> Metrics:
        """The metrics of a good answer; raises the error which any other answer means."""
        self.raise_for_error(_object(self.body))
        try:
            return Metrics.parse(self.body.decode())
        except ValueError as error:
            raise self.unexpected("the answer holds no metrics") from error

    def raise_for_error(self, values: dict[str, Any] | None) -> None:
        """Raise the typed error of an answer that is one."""
        if error := error_in(self.status, values, request_id=self.request_id):
            error.retry_after = retry_after_seconds(self.headers.get("Retry-After"))
            raise error

    def unexpected(self, message: str) -> UnexpectedAnswerError:
        return UnexpectedAnswerError(message, status=self.status, request_id=self.request_id)


def _object(body: bytes) -> dict[str, Any] | None:
    if body.lstrip()[:1] != b"{":  # a video need not be tried as text
        return None
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
