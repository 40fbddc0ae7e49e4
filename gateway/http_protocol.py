"""Requests that never become one: a head that is late, too long or no HTTP gets the envelope, too."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.endpoint import error_response
from gateway.errors import EdgeError, not_http, too_slow

MAX_HEAD_BYTES = 65_536  # nginx takes half of it
LINGER_S = 2.0

Refused = Callable[[EdgeError, str, str], None]  # hears of the error, the request's id, and whose it was


class EnvelopeProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1, which by itself waits for a head for ever and answers nonsense in plain text."""

    def __init__(self, *arguments: Any, header_s: float, refused: Refused, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._header_s = header_s
        self._refused = refused
        self._head_timer: asyncio.TimerHandle | None = None  # runs while a head is to come, or is coming
        self._head_bytes = 0
        self._over = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        super().data_received(data)
        if self._head_timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(not_http())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._head_timer is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        self._end_head()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_head()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words
        self._refuse(not_http())

    def _expect_head(self) -> None:
        self._head_timer = self.loop.call_later(self._header_s, self._head_is_late)

    def _end_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
        self._head_timer, self._head_bytes = None, 0

    def _head_is_late(self) -> None:
        if self._is_answering():  # the next request may wait for the end of this one
            self._expect_head()
        elif self._head_bytes:
            self._refuse(too_slow())
        else:  # it never asked anything
            self.transport.close()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, error: EdgeError) -> None:
        """Answer and hang up; an answer that is half sent is not mixed with another."""
        self._end_head()
        self._over = True
        if self.transport.is_closing() or self._is_answering():
            self.transport.close()
            return
        request_id = uuid.uuid4().hex
        self.transport.write(_as_http(error, request_id))
        self._refused(error, request_id, self.client[0] if self.client else "")
        # What still comes is thrown away for a while: closing now would reset the connection, answer and all.
        self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.close)


def _as_http(error: EdgeError, request_id: str) -> bytes:
    response = error_response(error, request_id)
    response.headers["Connection"] = "close"
    lines = [f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}".encode()]
    lines += [name + b": " + value for name, value in response.raw_headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + bytes(response.body)
