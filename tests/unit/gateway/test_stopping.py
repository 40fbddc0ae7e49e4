"""A gateway that is told to stop loses nobody, and does stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
from starlette.responses import Response
from unit.gateway.conftest import (
    END_S,
    LOOPBACK,
    RESULT,
    FakeServer,
    gateway_process,
    health,
    judged,
    wait_until,
)

PIPELINES = {"2.0": {"deblur": {"version": "1.0"}, "ensemble": {"version": "2.0"}}}
SHADOW = {"pipeline": "2.0", "share": 1.0, "shadow": True}


def detect(url: str, body: bytes) -> httpx.Response:
    return httpx.post(f"{url}/v1/detect", content=body, **LOOPBACK)


@contextmanager
def slow(server: FakeServer) -> Iterator[threading.Event]:
    """The server answers b"slow", and pipelines on trial, only when the event that this gives is set."""
    finish = threading.Event()

    def answer(path: str, body: bytes) -> Response:
        if body == b"slow" or path.startswith("/predictions"):
            finish.wait(2 * END_S)
        return judged(path, body)

    server.answer = answer
    try:
        yield finish
    finally:
        finish.set()


def test_whoever_comes_while_it_drains_is_answered_and_readiness_says_no(server: FakeServer) -> None:
    with (
        slow(server) as finish,
        gateway_process(server, "--notice-seconds", "60") as (url, process),
        ThreadPoolExecutor(1) as pool,
    ):
        under_way = pool.submit(detect, url, b"slow")
        wait_until(lambda: server.asked)
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: health(url) == 503)
        late = detect(url, b"quick")
        assert (late.status_code, late.json()) == (200, RESULT)
        assert late.headers["Connection"] == "close", "the next request is for another gateway"
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: health(url) == 0)
        finish.set()
        assert under_way.result().json() == RESULT
        assert process.wait(END_S) == 0


def test_a_request_that_the_time_to_drain_is_too_short_for_may_be_sent_again(server: FakeServer) -> None:
    words = ("--notice-seconds", "0", "--drain-seconds", "1")
    with slow(server), gateway_process(server, *words) as (url, process), ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(detect, url, b"slow")
        wait_until(lambda: server.asked)
        process.send_signal(signal.SIGTERM)
        refused = under_way.result()
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "busy")
        assert int(refused.headers["Retry-After"]) > 0
        assert process.wait(END_S) == 0


def test_a_comparison_that_never_ends_does_not_keep_it_from_stopping(server: FakeServer) -> None:
    server.record(promoted="1.0", previous=None, canary=SHADOW, pipelines=PIPELINES)
    words = ("--notice-seconds", "0", "--drain-seconds", "1")
    with slow(server), gateway_process(server, *words) as (url, process):
        assert detect(url, b"quick").status_code == 200
        wait_until(lambda: len(server.asked) == 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(END_S) == 0


def test_a_comparison_that_ends_in_time_is_written_down(server: FakeServer) -> None:
    server.record(promoted="1.0", previous=None, canary=SHADOW, pipelines=PIPELINES)
    with slow(server) as finish, gateway_process(server, "--notice-seconds", "0") as (url, process):
        assert detect(url, b"quick").status_code == 200
        wait_until(lambda: len(server.asked) == 2)
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: health(url) == 0)
        finish.set()
        assert process.wait(END_S) == 0
    assert len((server.state / "shadow.jsonl").read_text().splitlines()) == 1
