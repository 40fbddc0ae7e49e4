"""Prometheus reads the gateway, and its servers through it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from unit.gateway.conftest import Background

from gateway.exposition import expose

if TYPE_CHECKING:
    from unit.gateway.conftest import LiveGateway


@pytest.fixture
def exposed(live: LiveGateway) -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    expose("127.0.0.1", port, live.gateway.measures.registry, live.gateway.pool.servers)
    return f"http://127.0.0.1:{port}"


def test_the_gateways_own(live: LiveGateway, exposed: str) -> None:
    live.detect()
    told = httpx.get(f"{exposed}/metrics", trust_env=False).text
    assert 'outofsync_http_requests_total{code="",route="/v1/detect",status="200"} 1.0' in told
    assert live.key not in told


def test_a_servers(live: LiveGateway, exposed: str) -> None:
    async def tell(_: Request) -> Response:
        return PlainTextResponse("ts_queue_latency_microseconds 12.0\n")

    assert httpx.get(f"{exposed}/servers/1/metrics", trust_env=False).status_code == 503
    with Background(Starlette(routes=[Route("/metrics", tell)])) as url:
        live.servers[0].metrics_url = f"{url}/metrics"
        live.servers[0].publish()
        told = httpx.get(f"{exposed}/servers/1/metrics", trust_env=False)
    assert told.text == "ts_queue_latency_microseconds 12.0\n"
    for nowhere in ("/servers/2/metrics", "/servers/0/metrics", "/other"):
        assert httpx.get(exposed + nowhere, trust_env=False).status_code == 404
