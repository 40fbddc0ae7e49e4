"""A gateway in this process, before servers that answer as TorchServe does and as a test says."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import gateway
from benchmarks.ports import free_port
from gateway import keys
from gateway.app import Gateway
from gateway.settings import GatewaySettings
from outofsync.progress import AMOUNT_BYTES, LINE_BYTES, Amount, Step

END_S = 30.0  # no wait of a test is longer
# Of httpx: certificates, which it would read anew for each request, have no part in plain HTTP.
LOOPBACK: dict[str, Any] = {"timeout": END_S, "trust_env": False, "verify": False}
MANAGEMENT = "/management"
ROOT = Path(gateway.__file__).parents[1]
EMPTY = {"error": {"code": "empty_file", "status": 422, "stage": "request", "message": "", "hint": ""}}
RESULT = {"id": "ab" * 32, "verdict": "real", "label": "REAL", "probability_fake": 0.1, "score": 1.0}
Answer = Callable[[str, bytes], Response]  # of a path and a body


def said(values: Any, status: int = 200) -> Response:
    return Response(json.dumps(values), status, media_type="application/json")


def torchserve_error(status: int, kind: str, message: str) -> Response:
    return said({"code": status, "type": kind, "message": message}, status)


def judged(_path: str, _body: bytes) -> Response:
    """What a healthy server says."""
    return said(RESULT)


def working() -> Response:
    """What a healthy server says to a probe."""
    return said(EMPTY)


@dataclass
class FakeServer:
    """One TorchServe: ``answer`` says what becomes of requests with a body, ``probed`` of those without.

    The management port is a path of the same application, so that both are gone together.
    """

    state: Path
    answer: Answer = judged
    probed: Callable[[], Response] = working
    managed: Callable[[], Response] = working
    token: str = "server-token"
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    probes: int = 0
    first_bytes: threading.Event = field(default_factory=threading.Event)
    url: str = ""
    metrics_url: str = ""

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{path:path}", self._handle, methods=["GET", "POST"])])

    async def _handle(self, request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if chunk:
                self.first_bytes.set()
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return torchserve_error(400, "InvalidKeyException", "Token Authorization failed.")
        if request.url.path.startswith(MANAGEMENT):
            return await asyncio.to_thread(self.managed)
        if not body:
            self.probes += 1
            return await asyncio.to_thread(self.probed)
        self.asked.append((request.url.path, dict(request.headers), body))
        return await asyncio.to_thread(self.answer, request.url.path, body)

    def publish(self) -> None:
        """Write the state file, as the supervisor does."""
        values = {"url": self.url, "token": self.token, "metrics_url": self.metrics_url}
        values |= {"management_url": self.url + MANAGEMENT, "management_token": self.token}
        partial = self.state / "server.partial"
        partial.write_text(json.dumps(values))
        partial.replace(self.state / "server.json")

    def record(self, **values: Any) -> None:
        (self.state / "pipelines.json").write_text(json.dumps({"format": 1, "pipelines": {}, **values}))


class Background:
    """An ASGI application that listens on loopback, in a thread of its own; ends with its client."""

    def __init__(self, app: Any, client: httpx.AsyncClient | None = None) -> None:
        config = uvicorn.Config(app, port=0, log_level="critical", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._client = client
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    async def _serve(self) -> None:
        await self._server.serve()
        if self._client is not None:
            await self._client.aclose()

    def __enter__(self) -> str:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()


@dataclass
class LiveGateway:
    """A gateway that answers, and what stands behind it."""

    url: str
    key: str
    keys: Path
    servers: list[FakeServer]
    gateway: Gateway

    def ask(self, method: str, path: str, *, key: str | None = None, **request: Any) -> httpx.Response:
        headers = {"X-Api-Key": self.key if key is None else key, **request.pop("headers", {})}
        return httpx.request(
            method,
            self.url + path,
            headers=headers,
            **LOOPBACK,
            **request,
        )

    def detect(self, body: bytes = b"video", **request: Any) -> httpx.Response:
        return self.ask("POST", "/v1/detect", content=body, **request)

    def metric(self, name: str, **labels: str) -> float:
        return self.gateway.metrics.registry.get_sample_value(name, labels) or 0.0


@contextmanager
def gateway_process(
    server: FakeServer, *words: str, access: Sequence[str] = ("--no-keys",)
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A gateway as it is run, before one server: its URL, once it is ready, and process."""
    port = free_port()
    with killed_gateway(port, "--state", str(server.state), "--port", str(port), *access, *words) as live:
        yield live


@contextmanager
def killed_gateway(port: int, *words: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A gateway that is told by these words to listen there, and is killed at the end of the block."""
    process = subprocess.Popen([sys.executable, "-m", "gateway", *words], cwd=ROOT)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: health(url) == 200)
        yield url, process
    finally:
        process.kill()
        process.wait()


def health(url: str) -> int:
    """What a gateway's health route answers to a new connection; 0 where nobody takes one."""
    try:
        return httpx.get(f"{url}/v1/health", **LOOPBACK).status_code
    except httpx.TransportError:
        return 0


MakeGateway = Callable[..., LiveGateway]


def wait_until(condition: Callable[[], object]) -> None:
    """Until it is so; an assertion error where it never is."""
    deadline = time.monotonic() + END_S
    while not condition():
        assert time.monotonic() < deadline, "what was waited for never came"
        time.sleep(0.01)


def tell_amounts(file: Path, step: Step, share: float, amounts: Sequence[Amount]) -> None:
    """What a server tells that has been at it for a while: how far it is, and what each step takes."""
    lines = [f"{step} {share:.3f}\n".ljust(LINE_BYTES)]
    lines += [f"{amount}\n".ljust(AMOUNT_BYTES) for amount in amounts]
    with file.open("r+b") as opened:
        os.pwrite(opened.fileno(), "".join(lines).encode(), 0)


@pytest.fixture
def make_gateway(tmp_path: Path) -> Iterator[MakeGateway]:
    """Starts a gateway with as many servers as asked for; all are up when it returns."""
    with ExitStack() as running:

        def make(
            servers: int = 1, prepare: Callable[[FakeServer], None] = lambda _: None, **choices: Any
        ) -> LiveGateway:
            fakes = []
            for number in range(servers):
                state = tmp_path / f"state-{number}"
                state.mkdir()
                fake = FakeServer(state)
                prepare(fake)
                fake.url = running.enter_context(Background(fake.app()))
                fake.publish()
                fakes.append(fake)
            path = tmp_path / "keys.json"
            key = keys.add(path, "tester")
            choices = {"keys": path, "health_s": 0.2, "drain_s": 1.0, **choices}
            settings = GatewaySettings(tuple(fake.state for fake in fakes), **choices)
            client = httpx.AsyncClient(**LOOPBACK)
            built = Gateway.build(settings, client)
            url = running.enter_context(Background(built.app(), client))
            wait_until(lambda: all(server.up for server in built.pool.servers))
            return LiveGateway(url, key, path, fakes, built)

        yield make


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FakeServer]:
    """A server without a gateway."""
    fake = FakeServer(tmp_path)
    with Background(fake.app()) as fake.url:
        fake.publish()
        yield fake


@pytest.fixture
def live(make_gateway: MakeGateway) -> LiveGateway:
    """A gateway with one server."""
    return make_gateway()
