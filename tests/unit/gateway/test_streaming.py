"""A deblurred video passes through as it comes, and what is half of one is never taken for all of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from starlette.responses import Response, StreamingResponse
from unit.gateway.conftest import END_S, LOOPBACK, LiveGateway, said, torchserve_error, wait_until

FIRST, LAST = b"\x00\x00\x00\x18ftyp" + bytes(200_000), b"moov" * 50_000
VIDEO = "video/mp4"
HUNG_UP = {"route": "/v1/deblur", "status": "499", "code": "hung_up"}


class Halves:
    """A video of two halves; the second comes when it is let go, unless the server dies instead."""

    def __init__(self, *, dies: bool = False, length: bool = True) -> None:
        self.let_go = threading.Event()
        self.closed = threading.Event()
        self.dies = dies
        self.headers = {"Content-Length": str(len(FIRST + LAST))} if length else {}

    def answer(self, _path: str, _body: bytes) -> Response:
        return StreamingResponse(self._chunks(), media_type=VIDEO, headers=self.headers)

    async def _chunks(self) -> AsyncIterator[bytes]:
        try:
            yield FIRST
            while not self.let_go.is_set():
                await asyncio.sleep(0.01)
            if self.dies:
                raise ConnectionError
            yield LAST
        finally:
            self.closed.set()


def deblurring(live: LiveGateway) -> Any:
    return httpx.stream(
        "POST",
        f"{live.url}/v1/deblur",
        content=b"blurry",
        headers={"X-Api-Key": live.key},
        **LOOPBACK,
    )


@pytest.mark.parametrize("length", [True, False])
def test_the_first_half_is_here_before_the_second_is_made(live: LiveGateway, length: bool) -> None:
    halves = Halves(length=length)
    live.servers[0].answer = halves.answer
    with deblurring(live) as response:
        assert (response.status_code, response.headers["Content-Type"]) == (200, VIDEO)
        assert response.headers.get("Content-Length") == halves.headers.get("Content-Length")
        assert response.headers["Cache-Control"] == "no-store"
        chunks = response.iter_bytes()
        received = b""
        while len(received) < len(FIRST):
            received += next(chunks)
        assert live.metric("outofsync_server_in_progress", server="1") == 1
        halves.let_go.set()
        assert received + b"".join(chunks) == FIRST + LAST
    wait_until(lambda: not live.metric("outofsync_server_in_progress", server="1"))
    done = {"route": "/v1/deblur", "status": "200", "code": ""}
    assert live.metric("outofsync_http_requests_total", **done) == 1


def test_a_caller_who_leaves_ends_the_stream_at_its_server(live: LiveGateway) -> None:
    halves = Halves()
    live.servers[0].answer = halves.answer
    with deblurring(live) as response:
        next(response.iter_bytes())
    assert halves.closed.wait(END_S)
    assert not halves.let_go.is_set()
    wait_until(lambda: live.metric("outofsync_http_requests_total", **HUNG_UP))
    assert live.metric("outofsync_server_in_progress", server="1") == 0
    assert live.metric("outofsync_http_in_progress", route="/v1/deblur") == 0


@pytest.mark.parametrize("length", [True, False])
def test_a_video_whose_server_dies_is_not_passed_off_as_whole(live: LiveGateway, length: bool) -> None:
    halves = Halves(dies=True, length=length)
    live.servers[0].answer = halves.answer
    with deblurring(live) as response:
        chunks = response.iter_bytes()
        next(chunks)
        halves.let_go.set()
        with pytest.raises(httpx.RemoteProtocolError):
            list(chunks)
    broken = {"route": "/v1/deblur", "status": "200", "code": "connection_lost"}
    wait_until(lambda: live.metric("outofsync_http_requests_total", **broken))
    assert len(live.servers[0].asked) == 1, "what was half told cannot be told again"
    assert live.metric("outofsync_server_in_progress", server="1") == 0


def test_a_server_that_dies_before_the_first_byte_costs_time_only(live: LiveGateway) -> None:
    async def nothing() -> AsyncIterator[bytes]:
        raise ConnectionError
        yield b""

    answers = [StreamingResponse(nothing(), media_type=VIDEO), Response(FIRST, media_type=VIDEO)]
    live.servers[0].answer = lambda *_: answers.pop(0)
    assert live.ask("POST", "/v1/deblur", content=b"blurry").content == FIRST
    assert live.metric("outofsync_retries_total", server="1", reason="connection_lost") == 1


ENVELOPE = {"error": {"code": "no_video", "status": 422, "stage": "probe", "message": "No.", "hint": "x"}}


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (said(ENVELOPE, 422), 422, "no_video"),
        (said(ENVELOPE), 422, "no_video"),
        (Response('{"error": ' + str(ENVELOPE["error"]).replace("'", '"') + "}"), 422, "no_video"),
        (torchserve_error(404, "ModelNotFoundException", "Model not found"), 404, "not_deployed"),
        (Response(status_code=413), 413, "too_large"),
        (said([1]), 500, "internal"),
        (said({"a": 1}), 500, "internal"),
        (Response(media_type=VIDEO), 500, "internal"),
        (Response(b"{" * 5_000_000, media_type=VIDEO), 500, "internal"),
    ],
)
def test_what_is_no_video_is_an_envelope(live: LiveGateway, answer: Response, status: int, code: str) -> None:
    live.servers[0].answer = lambda *_: answer
    response = live.ask("POST", "/v1/deblur", content=b"blurry")
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert response.headers["Content-Type"] == "application/json"


def test_a_video_under_way_counts_against_the_limit(make_gateway: Any) -> None:
    live = make_gateway(in_flight=1, queue_s=0.1)
    halves = Halves()
    live.servers[0].answer = halves.answer
    with ThreadPoolExecutor(1) as pool, deblurring(live) as response:
        chunks = response.iter_bytes()
        next(chunks)
        refused = pool.submit(live.detect).result()
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "busy")
        halves.let_go.set()
        list(chunks)


def test_a_caller_who_reads_nothing_is_left(live: LiveGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.request_context.SEND_S", 0.2)
    ended = threading.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield FIRST
                await asyncio.sleep(0)
        finally:
            ended.set()

    live.servers[0].answer = lambda *_: StreamingResponse(endless(), media_type=VIDEO)
    with deblurring(live):
        assert ended.wait(END_S)
        wait_until(lambda: live.metric("outofsync_http_requests_total", **HUNG_UP))
    assert live.metric("outofsync_server_in_progress", server="1") == 0
