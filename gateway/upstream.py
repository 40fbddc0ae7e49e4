"""Sending one request to one server, once."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx

from gateway.servers import Server
from gateway.upload import Upload
from outofsync_client import (
    ConnectionLostError,
    RequestTimeoutError,
    UnexpectedAnswerError,
    UnreachableError,
)
from outofsync_client.protocol import (
    IDEMPOTENCY_HEADER,
    PROGRESS_HEADER,
    REQUEST_ID_HEADER,
    SENT_AT_HEADER,
)
from outofsync_client.protocol.answers import error_in

CONNECT_S = 5.0
MAX_ERROR_BYTES = 1_000_000  # of an answer that should be a video, and is not
# What a server may hear of a caller; above all no key, and nothing that TorchServe takes for a command.
FORWARDED_HEADERS = (SENT_AT_HEADER, IDEMPOTENCY_HEADER)

Body = Upload | bytes


@dataclass(frozen=True)
class UpstreamRequest:
    """What is the same at every attempt, but for the body."""

    request_id: str
    headers: Mapping[str, str]  # those of FORWARDED_HEADERS that the caller sent
    length: int | None  # of the body, where the caller said it
    progress: str | None = None  # the file in which the server tells how far it is


@dataclass(frozen=True)
class Video:
    """A video as it comes from a server. ``chunks`` raises the client's error where the rest never comes."""

    length: int | None  # in bytes, where the server said it
    chunks: AsyncIterator[bytes]


class Upstream:
    """HTTP to the servers."""

    def __init__(self, client: httpx.AsyncClient, answer_s: float) -> None:
        self._client = client
        self._timeout = httpx.Timeout(answer_s, connect=CONNECT_S)

    async def json(self, server: Server, path: str, request: UpstreamRequest, body: Body) -> dict[str, Any]:
        """A JSON object; where there is none, raises the client's error of the kind that fits."""
        async with self._stream(server, path, request, body) as response:
            content = await response.aread()
            values = _json_object(content)
            self._check(response.status_code, values, request)
        if values is None:
            raise UnexpectedAnswerError("the answer is not JSON")
        return values

    async def content(self, server: Server, path: str, request: UpstreamRequest, body: Body) -> bytes:
        """Whatever a server answers, unless it is an error."""
        async with self._stream(server, path, request, body) as response:
            content = await response.aread()
            self._check(response.status_code, _json_object(content), request)
            return content

    @asynccontextmanager
    async def video(
        self, server: Server, path: str, request: UpstreamRequest, body: Body
    ) -> AsyncIterator[Video]:
        """A video, of which no more than a piece is held here; raises as :meth:`json` where it is none."""
        async with self._stream(server, path, request, body) as response:
            chunks = response.aiter_bytes()
            first = await anext(chunks, b"")
            if not _may_be_video(response, first):
                self._check(response.status_code, _json_object(await _rest(first, chunks)), request)
                raise UnexpectedAnswerError("the answer is not a video")
            yield Video(_length(response), _forwarded(server, first, chunks))

    @asynccontextmanager
    async def _stream(
        self, server: Server, path: str, request: UpstreamRequest, body: Body
    ) -> AsyncIterator[httpx.Response]:
        """An answer whose body is still to come; raises a transport error where there is none."""
        address = server.address()
        if address is None:
            raise UnreachableError(f"server {server.name} is not ready")
        with _typed_errors(server):
            built = self._client.build_request(
                "POST",
                address.url + path,
                content=body if isinstance(body, bytes) else body.chunks(),
                headers=self._headers(address.token, request, body),
                timeout=self._timeout,
            )
            response = await self._client.send(built, stream=True)
            try:
                yield response
            finally:
                await response.aclose()

    def _check(self, status: int, values: dict[str, Any] | None, request: UpstreamRequest) -> None:
        """Raise the error that an answer means."""
        if error := error_in(status, values, request_id=request.request_id):
            raise error

    def _headers(self, token: str, request: UpstreamRequest, body: Body) -> dict[str, str]:
        headers = {
            **request.headers,
            REQUEST_ID_HEADER: request.request_id,
            "Authorization": f"Bearer {token}",
        }
        if request.progress is not None:
            headers[PROGRESS_HEADER] = request.progress
        if isinstance(body, bytes):
            headers["content-type"] = "application/octet-stream"
        elif request.length is not None:
            headers["Content-Length"] = str(request.length)
        return headers


@contextmanager
def _typed_errors(server: Server) -> Iterator[None]:
    """Raises the client's error for each of httpx's."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.InvalidURL):
        raise UnreachableError(f"nothing answers at server {server.name}") from None
    except httpx.TimeoutException:
        raise RequestTimeoutError("the server did not answer in time") from None
    except httpx.TransportError:
        raise ConnectionLostError("the server hung up") from None


def _may_be_video(response: httpx.Response, first: bytes) -> bool:
    """Whether this is no error: TorchServe's own may come with any status, ours is JSON in any case."""
    kind = response.headers.get("Content-Type", "")
    return (
        response.status_code == HTTPStatus.OK
        and not kind.startswith("application/json")
        and first[:1] not in (b"{", b"")
    )


def _length(response: httpx.Response) -> int | None:
    """How many bytes will come out of a response, where that is known."""
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() and "Content-Encoding" not in response.headers else None


async def _rest(first: bytes, chunks: AsyncIterator[bytes]) -> bytes:
    """The whole of an answer that should be short."""
    content = first
    async for chunk in chunks:
        content += chunk
        if len(content) > MAX_ERROR_BYTES:
            raise UnexpectedAnswerError("the answer is neither a video nor an error")
    return content


async def _forwarded(server: Server, first: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    with _typed_errors(server):
        yield first
        async for chunk in chunks:
            yield chunk


def _json_object(content: bytes) -> dict[str, Any] | None:
    if content[:1] != b"{":
        return None
    try:
        values = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None
