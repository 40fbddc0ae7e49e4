"""What is sent again, when, and what is not."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from unit.client.conftest import TOKEN, torchserve_error

from outofsync_client import (
    BusyError,
    Client,
    OutOfSyncError,
    RequestTimeoutError,
    Retries,
    WorkerDiedError,
)
from outofsync_client._flow import Sleep
from outofsync_client._retries import RetryState, retry_after_seconds

if TYPE_CHECKING:
    from unit.client.conftest import StubServer

MakeResult = Callable[..., dict[str, Any]]
AT_ONCE = Retries(first_wait=0.0)
NO_WORKER = 'Model "x" has no worker to serve inference request.'

PASSING = {
    "busy, as data": (200, json.dumps({"error": {"code": "busy", "status": 503}}).encode()),
    "busy, said by the edge": (429, json.dumps({"error": {"code": "busy", "status": 429}}).encode()),
    "a full queue": torchserve_error(503, "ServiceUnavailableException", NO_WORKER),
    "a full queue in a workflow": torchserve_error(500, "InternalServerException", NO_WORKER),
    "a worker that died": torchserve_error(507, "InternalServerException", "Worker died."),
    "a node that broke": torchserve_error(500, "InternalServerException", "Error executing deepfake__deblur"),
    "memory for uploads": torchserve_error(507, "InternalServerException", "Cannot reserve memory"),
    "a gateway alone": (502, b"<html>"),
    "a gateway that waited in vain": (504, b""),
}
LASTING = {
    "corrupt_media": (422, json.dumps({"error": {"code": "corrupt_media", "status": 422}}).encode()),
    "internal": (500, json.dumps({"error": {"code": "internal", "status": 500}}).encode()),
    "bad_options": (400, json.dumps({"error": {"code": "bad_options", "status": 400}}).encode()),
    "method_not_allowed": (405, b""),
    "not_deployed": torchserve_error(404, "WorkflowNotFoundException", "Workflow not found"),
}


def fail_first(
    server: StubServer, failures: list[tuple[int, bytes]], result: dict[str, Any]
) -> list[tuple[int, bytes]]:
    """The server's next answers are these failures, then the result."""
    answers = [*failures, (200, json.dumps(result).encode())]
    server.answer = lambda _: answers.pop(0)
    return answers


@pytest.mark.parametrize("name", PASSING)
def test_what_passes_is_waited_for(server: StubServer, make_result: MakeResult, name: str) -> None:
    fail_first(server, [PASSING[name]] * 2, make_result())
    with Client(server.url, token=TOKEN, retries=AT_ONCE) as client:
        assert client.detect(b"video").verdict == "real"
    assert [request.fields["data"] for request in server.received] == [b"video"] * 3, (
        "each time from its start"
    )
    identities = {request.headers["X-OutOfSync-Request-Id"] for request in server.received}
    keys = {request.headers["Idempotency-Key"] for request in server.received}
    assert (len(identities), len(keys)) == (1, 1)


@pytest.mark.parametrize("name", LASTING)
def test_what_lasts_is_said_at_once(server: StubServer, make_result: MakeResult, name: str) -> None:
    left = fail_first(server, [LASTING[name]], make_result())
    with Client(server.url, token=TOKEN, retries=AT_ONCE) as client, pytest.raises(OutOfSyncError) as caught:
        client.detect(b"video")
    assert caught.value.code == name
    assert len(left) == 1


def test_the_last_failure_is_raised_when_patience_ends(server: StubServer, make_result: MakeResult) -> None:
    fail_first(server, [PASSING["a worker that died"]] * 9, make_result())
    retries = Retries(attempts=3, first_wait=0.0)
    with Client(server.url, token=TOKEN, retries=retries) as client, pytest.raises(WorkerDiedError) as caught:
        client.detect(b"video")
    assert len(server.received) == 3
    assert caught.value.request_id == server.received[0].headers["X-OutOfSync-Request-Id"]


def test_a_server_that_says_when_to_return_is_not_asked_before(
    server: StubServer, make_result: MakeResult
) -> None:
    fail_first(server, [PASSING["a full queue"]], make_result())
    server.retry_after = "1"
    started = time.monotonic()
    with Client(server.url, token=TOKEN, retries=AT_ONCE) as client:
        client.detect(b"video")
    assert time.monotonic() - started >= 1.0


def test_a_wait_beyond_the_budget_is_not_begun(server: StubServer, make_result: MakeResult) -> None:
    fail_first(server, [PASSING["a full queue"]], make_result())
    server.retry_after = "3600"
    with Client(server.url, token=TOKEN) as client, pytest.raises(BusyError) as caught:
        client.detect(b"video")
    assert caught.value.retry_after == 3600.0


def test_an_answer_that_is_late_is_not_asked_for_twice(server: StubServer) -> None:
    release = threading.Event()
    server.answer = lambda _: (200, b"{}") if release.wait(20) else (500, b"")
    with Client(server.url, token=TOKEN, timeout=0.2, retries=AT_ONCE) as client:
        with pytest.raises(RequestTimeoutError):
            client.detect(b"video")
        release.set()
    assert len(server.received) == 1


def test_an_answer_that_is_late_is_asked_for_again_where_that_is_wanted(
    server: StubServer, make_result: MakeResult
) -> None:
    release = threading.Event()
    result = json.dumps(make_result()).encode()
    server.answer = lambda _: (200, result) if len(server.received) > 1 or release.wait(20) else (500, b"")
    retries = Retries(first_wait=0.0, timeouts=True)
    with Client(server.url, token=TOKEN, timeout=2.0, retries=retries) as client:
        assert client.detect(b"video").verdict == "real"
        release.set()
    assert len(server.received) == 2


def test_a_file_is_sent_again_from_where_it_stood(
    server: StubServer, make_result: MakeResult, tmp_path: Path
) -> None:
    fail_first(server, [PASSING["a full queue"]], make_result())
    path = tmp_path / "video"
    path.write_bytes(b"header" + b"video" * 1000)
    with Client(server.url, token=TOKEN, retries=AT_ONCE) as client, path.open("rb") as stream:
        stream.seek(6)
        client.detect(stream)
    assert [request.fields["data"] for request in server.received] == [b"video" * 1000] * 2


def test_attempts_are_logged_without_secrets(
    server: StubServer, make_result: MakeResult, caplog: pytest.LogCaptureFixture
) -> None:
    fail_first(server, [PASSING["a full queue"]], make_result())
    with (
        caplog.at_level(logging.INFO, "outofsync_client"),
        Client(server.url, token=TOKEN, retries=AT_ONCE) as client,
    ):
        client.detect(b"video")
    identity = server.received[0].headers["X-OutOfSync-Request-Id"]
    first, last = caplog.messages
    assert identity in first
    assert "busy (attempt 1)" in first
    assert identity in last
    assert TOKEN not in caplog.text


def test_threads_share_a_client(server: StubServer, make_result: MakeResult) -> None:
    result = make_result()
    refusals = iter([PASSING["a full queue"]] * 20)
    server.answer = lambda _: next(refusals, (200, json.dumps(result).encode()))
    patient = Retries(attempts=50, first_wait=0.01)
    with Client(server.url, token=TOKEN, retries=patient) as client, ThreadPoolExecutor(8) as pool:
        results = list(pool.map(client.detect, [os.urandom(1000) for _ in range(40)]))
    assert len(results) == 40
    assert len(server.received) == 60


def test_waits_are_random_below_a_bound_that_doubles() -> None:
    state = RetryState(
        Retries(attempts=5, first_wait=1.0, longest_wait=3.0),
        clock=lambda: 0.0,
        uniform=lambda low, high: high - low,
    )
    bounds = []
    while (wait := state.next_wait(BusyError("full"))) is not None:
        bounds.append(wait)
        assert list(state.wait(wait)) == [Sleep(wait)]
    assert bounds == [1.0, 2.0, 3.0, 3.0]


def test_the_servers_own_wait_comes_before_the_random_one() -> None:
    busy = BusyError("full")
    busy.retry_after = 7.0
    state = RetryState(Retries(first_wait=2.0), clock=lambda: 0.0, uniform=lambda low, _: low)
    assert state.next_wait(busy) == 7.0
    state = RetryState(Retries(first_wait=2.0), clock=lambda: 0.0, uniform=lambda _, high: high)
    assert state.next_wait(busy) == 9.0


def test_no_attempt_begins_after_the_budget() -> None:
    now = 0.0
    state = RetryState(Retries(budget=10.0), clock=lambda: now, uniform=lambda _, high: high)
    now = 9.4
    assert state.next_wait(BusyError("full")) == 0.5
    now = 9.6
    assert state.next_wait(BusyError("full")) is None


def test_a_server_that_is_away_is_waited_for_once_and_not_for_ever() -> None:
    now = 0.0
    state = RetryState(Retries(restart=60.0), clock=lambda: now)

    def wait(is_away: Callable[[], bool]) -> None:
        nonlocal now
        for step in state.wait(1.0, is_away):
            assert isinstance(step, Sleep)
            now += step.seconds

    wait(lambda: now < 20.0)
    assert now == pytest.approx(20.0, abs=0.5)
    wait(lambda: True)
    assert now == pytest.approx(61.0, abs=0.5)
    wait(lambda: True)
    assert now == pytest.approx(62.0, abs=0.5)


@pytest.mark.parametrize(
    "values", [{"attempts": 0}, {"first_wait": -1.0}, {"budget": -1.0}, {"restart": float("nan")}]
)
def test_patience_that_makes_no_sense_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least once"):
        Retries(**values)


@pytest.mark.parametrize(
    ("header", "seconds"), [("5", 5.0), (" 7 ", 7.0), ("soon", None), ("", None), (None, None), ("-3", None)]
)
def test_a_number_of_seconds_is_read(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header) == seconds


NO_TIME = {
    "a superscript": "\N{SUPERSCRIPT TWO}",
    "more digits than any number of seconds has": "9" * 400,
    "a year beyond all dates": f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT",
    "an hour that is none": "Mon, 01 Jan 2035 99:00:00 GMT",
}


@pytest.mark.parametrize("name", NO_TIME)
def test_a_return_that_makes_no_sense_is_ignored(
    server: StubServer, make_result: MakeResult, name: str
) -> None:
    assert retry_after_seconds(NO_TIME[name]) is None
    fail_first(server, [PASSING["a full queue"]], make_result())
    server.retry_after = NO_TIME[name]
    with Client(server.url, token=TOKEN, retries=AT_ONCE) as client:
        assert client.detect(b"video").verdict == "real", "asked again as if nothing had been named"
    assert len(server.received) == 2


def test_a_moment_is_read() -> None:
    assert retry_after_seconds(formatdate(time.time() + 60, usegmt=True)) == pytest.approx(60, abs=2)
    assert retry_after_seconds(formatdate(time.time() - 60, usegmt=True)) == 0.0
