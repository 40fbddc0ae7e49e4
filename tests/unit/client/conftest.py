"""A server that answers as TorchServe does, and results to answer with."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import numpy as np
import pytest

from outofsync_client import Client, Retries

TOKEN = "s3cret-token"
API_KEY = "oos_s3cret-key"
MAX_REQUEST_BYTES = 1_000_000


@dataclass
class Received:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    fields: dict[str, bytes]

    @property
    def options(self) -> dict[str, Any]:
        options: dict[str, Any] = json.loads(self.fields["options"])
        return options


@dataclass
class StubServer:
    """``answer`` makes (status, body) of an accepted request to the detector or the deblurring model."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answer: Callable[[Received], tuple[int, bytes]] = lambda _: (500, b"")
    token: str = TOKEN
    ready: bool = True  # what it says of itself as an edge
    retry_after: str | None = None  # sent with every error
    metrics: str = ""
    connections: int = 0  # that were opened so far
    callers: list[str] = field(default_factory=list)  # of accepted connections, by their certificates

    def answers(self, values: dict[str, Any], status: int = 200) -> None:
        """Give every request the same JSON."""
        body = json.dumps(values).encode()
        self.answer = lambda _: (status, body)

    def holds_back(self, values: dict[str, Any]) -> tuple[threading.Event, threading.Event]:
        """Give every request the same JSON, once the second event is set; the first says that one came."""
        asked, release = threading.Event(), threading.Event()
        body = json.dumps(values).encode()

        def answer(_: object) -> tuple[int, bytes]:
            asked.set()
            release.wait(60)
            return 200, body

        self.answer = answer
        return asked, release

    def refuses(self, code: str, **values: Any) -> None:
        """Answer with an error that travelled as data, as a workflow does: with HTTP 200."""
        error = {
            "code": code,
            "status": 422,
            "stage": "probe",
            "message": "No.",
            "hint": "",
            "request_id": "",
        }
        self.answers({"error": {**error, **values}})


def torchserve_error(status: int, kind: str, message: str) -> tuple[int, bytes]:
    return status, json.dumps({"code": status, "type": kind, "message": message}).encode()


def _names(connection: ssl.SSLSocket) -> list[str]:
    """What the caller's certificate says it is called, nothing where it has shown none."""
    certificate: dict[str, Any] = connection.getpeercert() or {}
    return [name for _, name in certificate.get("subjectAltName", ())]


_COUNTING = threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stub: ClassVar[StubServer]

    def setup(self) -> None:
        super().setup()
        with _COUNTING:
            self.stub.connections += 1
            if isinstance(self.request, ssl.SSLSocket):
                self.stub.callers += _names(self.request)

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        if length > MAX_REQUEST_BYTES:  # without reading the body
            self._send(413, b"")
            return
        body = self.rfile.read(length)
        if len(body) < length:  # the caller hung up: no server takes half a request for a whole one
            self.close_connection = True
            return
        received = Received(self.command, self.path, dict(self.headers), self._fields(body))
        self.stub.received.append(received)
        self._send(*self._answer(received))

    def _answer(self, received: Received) -> tuple[int, bytes]:
        if self.path == "/metrics":
            return 200, self.stub.metrics.encode()
        if received.headers.get("X-Api-Key") == API_KEY:
            return self._answer_as_edge(received)
        if received.headers.get("Authorization") != f"Bearer {self.stub.token}":
            return torchserve_error(400, "InvalidKeyException", "Token Authorization failed.")
        if self.path == "/ping":
            return 200, b'{"status": "Healthy"}'
        if self.path in ("/wfpredict/deepfake", "/predictions/deblur"):
            return self.stub.answer(received)
        return torchserve_error(404, "ModelNotFoundException", "Model not found")

    def _answer_as_edge(self, received: Received) -> tuple[int, bytes]:
        if self.path == "/v1/health" and not self.stub.ready:
            return 503, b'{"status": "not_ready", "servers": []}'
        if self.path == "/v1/health":
            return 200, b'{"status": "ready", "servers": []}'
        return self.stub.answer(received)

    def _fields(self, body: bytes) -> dict[str, bytes]:
        content_type = self.headers.get("Content-Type", "")
        message = BytesParser().parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
        if not message.is_multipart():
            return {}
        return {
            str(part.get_param("name", header="content-disposition")): bytes(part.get_payload(decode=True))
            for part in message.walk()
            if not part.is_multipart()
        }

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status >= 400 and self.stub.retry_after is not None:
            self.send_header("Retry-After", self.stub.retry_after)
        if status >= 400:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _handle  # noqa: N815

    def log_message(self, *args: Any) -> None:
        """Keep the test's output clean."""


class _Listener(ThreadingHTTPServer):
    def handle_error(self, *args: Any) -> None:
        """Clients that hang up are part of the tests."""


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[StubServer]:
    """A server of its own, with a certificate where one is given."""
    stub = StubServer()
    handler = type("Handler", (_Handler,), {"stub": stub})
    listener = _Listener(("127.0.0.1", 0), handler)
    if tls:
        listener.socket = tls.wrap_socket(listener.socket, server_side=True)
    stub.url = f"{'https' if tls else 'http'}://127.0.0.1:{listener.server_port}"
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield stub
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()


@pytest.fixture
def server() -> Iterator[StubServer]:
    with serving() as stub:
        yield stub


@pytest.fixture
def second_server() -> Iterator[StubServer]:
    with serving() as stub:
        yield stub


@pytest.fixture
def client(server: StubServer) -> Iterator[Client]:
    with Client(server.url, token=TOKEN, timeout=10, retries=Retries.none()) as client:
        yield client


@pytest.fixture
def open_gate() -> Iterator[threading.Event]:
    """Judging waits until this is set, as it is at first."""
    event = threading.Event()
    event.set()
    yield event
    event.set()


@pytest.fixture(scope="session")
def make_result() -> Callable[..., dict[str, Any]]:
    """A result as a server sends it, in sync unless told otherwise."""

    def make(windows: int = 60, peak: int = 0, **changes: Any) -> dict[str, Any]:
        delays = np.random.default_rng(windows).normal(size=(windows, 31))
        delays[:, peak + 15] += 8
        values = {
            "id": "ab" * 32,
            "verdict": "real",
            "label": "REAL",
            "probability_fake": 0.03,
            "score": 0.125,
            "delay_score": 0.125,
            "feature_score": 0.5,
            "lam": 0.0,
            "offset_frames": peak,
            "offset_confidence": 0.9,
            "reasons": [],
            "segments": [
                {
                    "start": 1.0,
                    "end": 3.0,
                    "track": 0,
                    "score": 0.1,
                    "probability_fake": 0.02,
                    "peak_delay": peak,
                },
                {
                    "start": 3.0,
                    "end": 3.4,
                    "track": 0,
                    "score": 0.9,
                    "probability_fake": 0.8,
                    "peak_delay": 3,
                },
            ],
            "tracks": [{"id": 0, "start": 1.0, "end": 3.56, "speaking": True, "box": [10, 20, 110, 120]}],
            "delays": delays.tolist(),
            "features": delays.tolist(),
            "media": {"duration_s": 4.0},
            "deblur": {"applied": False},
            "models": {"ensemble": {"version": "1.0"}},
            "timing_ms": {"decode": 12.5},
        }
        return {**values, **changes}

    return make


@pytest.fixture(scope="session")
def no_face(make_result: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """A result without a verdict."""
    nothing = dict.fromkeys(
        ("label", "probability_fake", "score", "delay_score", "feature_score", "lam", "offset_frames")
    )
    return make_result(
        0,
        verdict="inconclusive",
        reasons=[{"code": "no_face", "message": "No face was found."}],
        segments=[],
        tracks=[],
        **nothing,
    )
