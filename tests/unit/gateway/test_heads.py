"""What never becomes a request is answered with an envelope, and in good time."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import jsonschema  # type: ignore[import-untyped]
import pytest
from unit.gateway.conftest import END_S, LOOPBACK, Background, FakeServer, gateway_process
from unit.gateway.test_openapi import schema

from benchmarks.ports import free_port

HEADER_S = 1.0


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway that gives a request's headers one second."""
    fake = FakeServer(tmp_path_factory.mktemp("server"))
    with Background(fake.app()) as fake.url:
        fake.publish()
        with gateway_process(fake, "--header-seconds", str(HEADER_S)) as (found, _):
            yield found


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=END_S) as channel:
        yield channel


def heard(channel: socket.socket) -> bytes:
    """All that comes until the other side hangs up."""
    answer = b""
    while chunk := channel.recv(1 << 16):
        answer += chunk
    return answer


def error_code(answer: bytes, status: int) -> str:
    """The code of an envelope that is an answer's body, which ends the connection."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    assert lines[0].split()[:2] == ["HTTP/1.1", str(status)]
    assert headers["content-type"] == "application/json"
    assert headers["connection"] == "close"
    assert int(headers["content-length"]) == len(body)
    values = json.loads(body)
    jsonschema.validate(values, schema("Error"))
    error = values["error"]
    assert (error["status"], error["request_id"]) == (status, headers["x-outofsync-request-id"])
    code: str = error["code"]
    return code


@pytest.mark.parametrize("begun", [b"G", b"POST /v1/detect HTTP/1.1\r\nHost: here\r\nX-Api-Key: k"])
def test_headers_that_come_too_slowly(url: str, begun: bytes) -> None:
    with connected(url) as channel:
        channel.sendall(begun)
        assert error_code(heard(channel), 408) == "timeout"


def test_headers_that_trickle_in_are_as_late(url: str) -> None:
    """Each byte is in time; it is the whole head that has a limit."""
    with connected(url) as channel:
        channel.sendall(b"GET /v1/health HTTP/1.1\r\nX: ")
        answer = b""
        deadline = time.monotonic() + END_S
        channel.settimeout(HEADER_S / 10)
        while not answer:
            assert time.monotonic() < deadline
            channel.sendall(b"x")
            try:
                answer = channel.recv(1 << 16)
            except TimeoutError:
                continue
        assert error_code(answer, 408) == "timeout"


def test_the_second_request_of_a_connection_has_the_same_limit(url: str) -> None:
    with connected(url) as channel:
        channel.sendall(b"GET /v1/health HTTP/1.1\r\nHost: here\r\n\r\n")
        first = b""
        while not first.endswith(b"}"):  # head and body may come apart
            first += channel.recv(1 << 16)
        assert first.startswith(b"HTTP/1.1 200")
        channel.sendall(b"GET /v1/hea")
        assert error_code(heard(channel), 408) == "timeout"


def test_who_says_nothing_hears_nothing(url: str) -> None:
    with connected(url) as channel:
        assert heard(channel) == b""


def test_between_two_requests_there_is_more_time(url: str) -> None:
    with httpx.Client(base_url=url, **LOOPBACK) as client:
        streams = []
        for _ in range(2):
            with client.stream("GET", "/v1/health") as response:
                streams.append(response.extensions["network_stream"])
                response.read()
            time.sleep(2 * HEADER_S)
        assert streams[0] is streams[1], "the connection was kept"


def test_a_body_may_be_slower(url: str) -> None:
    def body() -> Iterator[bytes]:
        yield b"vid"
        time.sleep(2 * HEADER_S)
        yield b"eo"

    assert httpx.post(f"{url}/v1/detect", content=body(), **LOOPBACK).status_code == 200


@pytest.mark.parametrize(
    "sent",
    [b"FOO\r\n\r\n", b"GET / HTTP/1.1\r\n: x\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000],
    ids=["no HTTP", "no header", "too long"],
)
def test_what_is_no_request(url: str, sent: bytes) -> None:
    with connected(url) as channel:
        channel.sendall(sent)
        assert error_code(heard(channel), 400) == "bad_options"


@pytest.mark.slow
def test_a_refused_head_is_counted_and_logged(server: FakeServer, capfd: pytest.CaptureFixture[str]) -> None:
    metrics = free_port()
    with gateway_process(server, "--metrics-port", str(metrics)) as (url, _), connected(url) as channel:
        channel.sendall(b"FOO\r\n\r\n")
        answer = heard(channel)
        told = httpx.get(f"http://127.0.0.1:{metrics}/metrics", **LOOPBACK).text
    assert 'outofsync_http_requests_total{code="bad_options",route="other",status="400"} 1.0' in told
    request_id = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["request_id"]
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    (entry,) = [line for line in lines if line.get("request_id") == request_id]
    assert (entry["status"], entry["code"], entry["peer"]) == (400, "bad_options", "127.0.0.1")
