"""Prometheus reads the gateway, and its servers through it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from unit.gateway.conftest import (
    END_S,
    LOOPBACK,
    ROOT,
    Background,
    FakeServer,
    LiveGateway,
    gateway_process,
    health,
    judged,
    wait_until,
)

from benchmarks.ports import free_port
from gateway.metrics_app import metrics_app


@pytest.fixture
def exposed(live: LiveGateway) -> Iterator[str]:
    gateway = live.gateway
    client = httpx.AsyncClient(trust_env=False)
    with Background(metrics_app(gateway.metrics.registry, gateway.pool.servers, client), client) as url:
        yield url


def test_the_gateways_own(live: LiveGateway, exposed: str) -> None:
    live.detect()
    told = httpx.get(f"{exposed}/metrics", **LOOPBACK).text
    assert 'outofsync_http_requests_total{code="",route="/v1/detect",status="200"} 1.0' in told
    assert live.key not in told


def test_a_servers(live: LiveGateway, exposed: str) -> None:
    async def tell(_: Request) -> Response:
        return PlainTextResponse("ts_queue_latency_microseconds 12.0\n")

    assert httpx.get(f"{exposed}/servers/1/metrics", **LOOPBACK).status_code == 503
    with Background(Starlette(routes=[Route("/metrics", tell)])) as url:
        live.servers[0].metrics_url = f"{url}/metrics"
        live.servers[0].publish()
        told = httpx.get(f"{exposed}/servers/1/metrics", **LOOPBACK)
    assert told.text == "ts_queue_latency_microseconds 12.0\n"
    for nowhere in ("/servers/2/metrics", "/servers/0/metrics", "/other"):
        assert httpx.get(exposed + nowhere, **LOOPBACK).status_code == 404


def test_metrics_are_told_until_the_last_request_is_answered(server: FakeServer) -> None:
    """A pod's server stays until this port is gone."""
    finish = threading.Event()

    def slow(path: str, body: bytes) -> Response:
        finish.wait(END_S)
        return judged(path, body)

    server.answer = slow
    port = free_port()
    metrics = f"http://127.0.0.1:{port}/metrics"
    words = ("--notice-seconds", "0", "--metrics-port", str(port))
    with gateway_process(server, *words) as (url, process), ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(httpx.post, f"{url}/v1/detect", content=b"video", **LOOPBACK)
        wait_until(lambda: server.asked)
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: health(url) == 0)
        told = httpx.get(metrics, **LOOPBACK).text
        finish.set()
        assert 'outofsync_http_in_progress{route="/v1/detect"} 1.0' in told
        assert under_way.result().status_code == 200
        assert process.wait(END_S) == 0


def test_a_port_that_is_taken_is_a_sentence(server: FakeServer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        words = ["--state", str(server.state), "--no-keys", "--port", str(free_port())]
        words += ["--metrics-port", str(taken.getsockname()[1])]
        done = subprocess.run(
            [sys.executable, "-m", "gateway", *words], cwd=ROOT, capture_output=True, text=True
        )
    assert (done.returncode, done.stderr) == (1, "the gateway cannot listen: Address already in use\n")
