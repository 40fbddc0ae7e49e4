"""Busy is not dead: who answers its management port or finishes a request is up, who is gone is not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from starlette.responses import Response, StreamingResponse
from unit.gateway.conftest import (
    EMPTY,
    MANAGEMENT,
    RESULT,
    FakeServer,
    LiveGateway,
    MakeGateway,
    judged,
    said,
    wait_until,
    working,
)

from gateway.app import Gateway
from gateway.settings import GatewaySettings

NO_WORKER = 'Model "deepfake__deblur" has no worker to serve inference request.'
FULL = (503, {"code": 503, "type": "ServiceUnavailableException", "message": NO_WORKER})
PROBED = (200, EMPTY)
BROKEN = (
    500,
    {"code": 500, "type": "InternalServerException", "message": "Error executing deepfake__deblur"},
)
NO_AUDIO = {"code": "no_audio", "status": 422, "stage": "probe", "message": "No.", "hint": "Add one."}
Reply = tuple[int, object] | type[httpx.HTTPError]


@contextmanager
def no_probe_answered(*servers: FakeServer) -> Iterator[None]:
    """The servers are at work for as long as the block lasts: probes wait in their queues."""
    done = threading.Event()

    def waiting() -> Response:
        done.wait(60)
        return working()

    for server in servers:
        server.probed = waiting
    before = [server.probes for server in servers]
    try:
        wait_until(lambda: all(s.probes > n for s, n in zip(servers, before, strict=True)))
        yield
    finally:
        done.set()


def broken_off(count: int) -> Callable[[str, bytes], Response]:
    """Breaks off so many answers, then gives them."""
    left = [count]

    async def half() -> AsyncIterator[bytes]:
        yield b'{"verdict'
        raise ConnectionError

    def reply(path: str, body: bytes) -> Response:
        left[0] -= 1
        return StreamingResponse(half()) if left[0] >= 0 else judged(path, body)

    return reply


def test_a_lost_connection_does_not_take_a_busy_server_down(make_gateway: MakeGateway) -> None:
    live = make_gateway(patience_s=0.5)
    with no_probe_answered(live.servers[0]):
        live.servers[0].answer = broken_off(1)
        assert live.detect().json() == RESULT
        assert live.ask("GET", "/v1/health").status_code == 200


def test_a_gateway_that_starts_before_a_busy_server_uses_it(make_gateway: MakeGateway) -> None:
    done = threading.Event()

    def waiting() -> Response:
        done.wait(60)
        return working()

    def at_work(server: FakeServer) -> None:
        server.probed = waiting

    try:
        assert make_gateway(prepare=at_work).detect().json() == RESULT
    finally:
        done.set()


@pytest.mark.parametrize(("answer", "status"), [(RESULT, 200), ({"error": NO_AUDIO}, 422)])
def test_whoever_finishes_a_request_is_up(
    make_gateway: MakeGateway, answer: dict[str, object], status: int
) -> None:
    """Probes found the server broken while a request was at work in it; then the request ends."""
    live = make_gateway(health_s=0.01)
    fake, server = live.servers[0], live.gateway.pool.servers[0]
    finish, done = threading.Event(), threading.Event()

    def at_work(_path: str, _body: bytes) -> Response:
        finish.wait(60)
        return said(answer)

    def silent() -> Response:
        done.wait(60)
        return working()

    fake.answer = at_work
    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(live.detect)
        wait_until(lambda: fake.asked)
        fake.probed = lambda: said(BROKEN[1], BROKEN[0])
        wait_until(lambda: not server.up)
        fake.probed = fake.managed = silent  # nothing else tells that it works
        before = fake.probes
        wait_until(lambda: fake.probes > before)
        finish.set()
        assert told.result().status_code == status
        assert server.up
        done.set()


def test_a_server_that_is_gone_is_down_at_once_and_up_as_soon_as_it_is_back(live: LiveGateway) -> None:
    fake, server = live.servers[0], live.gateway.pool.servers[0]
    there, fake.url = fake.url, "http://127.0.0.1:1"
    fake.publish()
    wait_until(lambda: not server.up)
    fake.url = there
    fake.publish()
    wait_until(lambda: server.up)


class Replies(httpx.AsyncBaseTransport):
    """A server that is nothing but what it replies to probes and at its management port."""

    def __init__(self, probe: Reply, management: Reply) -> None:
        self.probe, self.management = probe, management

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        reply = self.management if request.url.path.startswith(MANAGEMENT) else self.probe
        if isinstance(reply, tuple):
            return httpx.Response(reply[0], json=reply[1], request=request)
        raise reply("as the test says")


@pytest.mark.parametrize(
    ("probe", "management", "checks", "up"),
    [
        (PROBED, httpx.ConnectError, 1, True),
        (httpx.ReadTimeout, (200, {}), 9, True),
        (httpx.ReadTimeout, (400, {}), 9, True),  # a token that was just renewed: somebody answers
        (httpx.RemoteProtocolError, (200, {}), 9, True),
        (FULL, (200, {}), 9, True),
        (httpx.ConnectError, httpx.ConnectError, 1, False),
        (httpx.ReadTimeout, httpx.ConnectError, 1, False),
        (httpx.ReadTimeout, httpx.ReadTimeout, 2, True),
        (httpx.ReadTimeout, httpx.ReadTimeout, 3, False),
        (httpx.ConnectError, (200, {}), 2, True),
        (httpx.ConnectError, (200, {}), 3, False),
        (BROKEN, (200, {}), 2, True),
        (BROKEN, (200, {}), 3, False),
        ((200, [1]), (200, {}), 3, False),
    ],
)
def test_what_a_check_makes_of_a_server_that_was_up(
    tmp_path: Path, probe: Reply, management: Reply, checks: int, up: bool
) -> None:
    fake = FakeServer(tmp_path, url="http://server")
    fake.publish()

    async def checked() -> bool:
        replies = Replies(PROBED, (200, {}))
        gateway = Gateway.build(GatewaySettings((tmp_path,), None), httpx.AsyncClient(transport=replies))
        server = gateway.pool.servers[0]
        await gateway.monitor.check(server)
        assert server.up
        replies.probe, replies.management = probe, management
        for _ in range(checks):
            await gateway.monitor.check(server)
        return server.up

    assert asyncio.run(checked()) == up
