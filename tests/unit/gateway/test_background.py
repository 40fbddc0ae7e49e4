"""No background task ends unseen, and none outlives the gateway."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from unit.gateway.conftest import EMPTY, END_S, FakeServer

from gateway.app import Gateway
from gateway.settings import GatewaySettings


class FailsOnce(httpx.AsyncBaseTransport):
    """Servers that work; the first request to one of them meets an error that nobody expects."""

    def __init__(self, host: str) -> None:
        self.host, self.failed = host, False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == self.host and not self.failed:
            self.failed = True
            raise RuntimeError("nobody expects this")
        return httpx.Response(200, json=EMPTY, request=request)


async def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + END_S
    while not condition():
        assert time.monotonic() < deadline, "what was waited for never came"
        await asyncio.sleep(0.01)


def test_watching_goes_on_after_an_error_that_nobody_expected(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    states = tuple(tmp_path / name for name in ("one", "two"))
    for state in states:
        state.mkdir()
        FakeServer(state, url=f"http://{state.name}").publish()

    async def watched() -> Gateway:
        client = httpx.AsyncClient(transport=FailsOnce("one"))
        gateway = Gateway.build(GatewaySettings(states, None, health_s=0.05), client)
        app = gateway.app()
        async with app.router.lifespan_context(app):
            await until(lambda: all(server.up for server in gateway.pool.servers))
        return gateway

    gateway = asyncio.run(watched())
    counted = gateway.metrics.registry.get_sample_value
    assert counted("outofsync_background_failures_total", {"task": "watch-1"}) == 1
    assert not counted("outofsync_background_failures_total", {"task": "watch-2"})
    assert [record.message for record in caplog.records if record.exc_info] == [
        "the background task watch-1 failed"
    ]


def test_a_state_folder_that_is_none_is_a_server_that_is_not_ready(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.mkdir()
    FakeServer(good, url="http://good").publish()
    bad.write_text("a file, where a folder should be")

    async def watched() -> list[bool]:
        client = httpx.AsyncClient(transport=FailsOnce("nobody"))
        gateway = Gateway.build(GatewaySettings((bad, good), None, health_s=0.05), client)
        app = gateway.app()
        async with app.router.lifespan_context(app):
            await until(lambda: any(server.up for server in gateway.pool.servers))
            async with gateway.pool.reserved(queue_s=1.0, patience_s=1.0):
                return [server.up for server in gateway.pool.servers]

    assert asyncio.run(watched()) == [False, True]
