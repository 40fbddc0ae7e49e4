"""Asking one server once."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
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
from outofsync_client._answers import error_in

REQUEST_ID_HEADER = "X-OutOfSync-Request-Id"
CONNECT_S = 5.0
# What a server may hear of a caller; above all no key, and nothing that TorchServe takes for a command.
PASSED_ON = ("x-outofsync-sent-at", "idempotency-key")


@dataclass(frozen=True)
class Ask:
    """What is the same at every attempt: who asks, and what for."""

    request_id: str
    headers: Mapping[str, str]  # those of PASSED_ON that the caller sent
    length: int | None  # of the body, where the caller said it


class Upstream:
    """HTTP to the servers."""

    def __init__(self, client: httpx.AsyncClient, answer_s: float) -> None:
        self._client = client
        self._timeout = httpx.Timeout(answer_s, connect=CONNECT_S)

    async def json(self, server: Server, path: str, ask: Ask, body: Upload | bytes) -> dict[str, Any]:
        """A JSON answer; raises the client's error of the kind that fits."""
        async with self.stream(server, path, ask, body) as response:
            content = await response.aread()
            values = _object(content)
            self.check(response.status_code, values, ask)
        if values is None:
            raise UnexpectedAnswerError("the answer is not JSON")
        return values

    async def content(self, server: Server, path: str, ask: Ask, body: Upload | bytes) -> bytes:
        """Whatever a server answers, unless it is an error."""
        async with self.stream(server, path, ask, body) as response:
            content = await response.aread()
            self.check(response.status_code, _object(content), ask)
            return content

    @asynccontextmanager
    async def stream(
        self, server: Server, path: str, ask: Ask, body: Upload | bytes
    ) -> AsyncIterator[httpx.Response]:
        """An answer whose body is still to come; raises a transport error where there is none."""
        address = server.address()
        if address is None:
            raise UnreachableError(f"server {server.name} is not ready")
        request = self._client.build_request(
            "POST",
            address.url + path,
            content=body if isinstance(body, bytes) else body.chunks(),
            headers=self._headers(address.token, ask, body),
            timeout=self._timeout,
        )
        try:
            response = await self._client.send(request, stream=True)
            try:
                yield response
            finally:
                await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise UnreachableError(f"nothing answers at server {server.name}") from None
        except httpx.TimeoutException:
            raise RequestTimeoutError("the server did not answer in time") from None
        except httpx.TransportError:
            raise ConnectionLostError("the server hung up") from None

    def check(self, status: int, values: dict[str, Any] | None, ask: Ask) -> None:
        """Raise the error that an answer means."""
        if error := error_in(status, values, request_id=ask.request_id):
            raise error

    def _headers(self, token: str, ask: Ask, body: Upload | bytes) -> dict[str, str]:
        headers = {**ask.headers, REQUEST_ID_HEADER: ask.request_id, "Authorization": f"Bearer {token}"}
        if isinstance(body, bytes):
            headers["content-type"] = "application/octet-stream"
        elif ask.length is not None:
            headers["Content-Length"] = str(ask.length)
        return headers


def _object(content: bytes) -> dict[str, Any] | None:
    if content[:1] != b"{":
        return None
    try:
        values = json.loads(content)
    except ValueError:
        return None
    return values if isinstance(values, dict) else None
