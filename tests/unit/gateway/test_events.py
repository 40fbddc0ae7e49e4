"""How far a request is, told to whoever sent it and to nobody else; a caller who leaves frees the server."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.responses import Response
from unit.gateway.conftest import (
    END_S,
    LOOPBACK,
    RESULT,
    FakeServer,
    LiveGateway,
    MakeGateway,
    said,
    tell_amounts,
    torchserve_error,
    wait_until,
)

from gateway import app, events, keys
from gateway.events import Places
from gateway.progress_files import progress_file, sweep
from outofsync.progress import Amount, Step

NAME = "my-request"
HEADER = "x-outofsync-progress"


def with_folder(server: FakeServer) -> None:
    """The folder that a server makes for what its workers tell."""
    (server.state / "progress").mkdir()


@pytest.fixture
def live(make_gateway: MakeGateway) -> LiveGateway:
    return make_gateway(prepare=with_folder)


@dataclass
class Work:
    """A server's work, which tells what a test says, and ends when it is let go."""

    live: LiveGateway
    begun: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)

    def answer(self, _path: str, _body: bytes) -> Response:
        self.begun.set()
        assert self.let_go.wait(END_S)
        return said(RESULT)

    def file(self) -> Path:
        """Where this attempt is followed."""
        server = self.live.servers[0]
        return server.state / "progress" / server.asked[-1][1][HEADER]

    def tell(self, line: str) -> None:
        with self.file().open("r+b") as file:
            os.pwrite(file.fileno(), f"{line}\n".ljust(32).encode(), 0)


@pytest.fixture
def work(live: LiveGateway) -> Iterator[Work]:
    made = Work(live)
    live.servers[0].answer = made.answer
    yield made
    made.let_go.set()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def detect(live: LiveGateway, **request: Any) -> httpx.Response:
    return live.detect(headers={"X-OutOfSync-Request-Id": NAME}, **request)


@contextmanager
def following(live: LiveGateway, name: str = NAME, *, key: str | None = None) -> Iterator[httpx.Response]:
    url = f"{live.url}/v1/requests/{name}/events"
    headers = {"X-Api-Key": live.key if key is None else key}
    with httpx.stream("GET", url, headers=headers, **LOOPBACK) as response:
        yield response


def told(response: httpx.Response) -> Iterator[tuple[str, Any]]:
    """Each event's name and data; a comment has none."""
    name = ""
    for line in response.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))
        elif line.startswith(":"):
            yield "comment", None


def stage(name: str, done: float | None = None) -> tuple[str, Any]:
    return "progress", {"stage": name, "done": done, "remaining_s": None}


def end(status: int) -> tuple[str, Any]:
    return "end", {"status": status}


def test_what_a_server_tells_is_passed_on(live: LiveGateway, work: Work, threads: ThreadPoolExecutor) -> None:
    answer = threads.submit(detect, live)
    assert work.begun.wait(END_S)
    with following(live) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert response.headers["X-Accel-Buffering"] == "no"
        assert response.headers["Cache-Control"] == "no-store"
        found = told(response)
        assert next(found) == stage("queued")
        for line, name, done in (("faces 0.250", "faces", 0.25), ("faces 0.500", "faces", 0.5)):
            work.tell(line)
            assert next(found) == stage(name, done)
        work.tell("score")
        assert next(found) == stage("score")
        file = work.file()
        work.let_go.set()
        assert list(found) == [end(200)]
    assert answer.result().json() == RESULT
    assert not file.exists()


def test_how_long_the_rest_takes_is_told_once_that_is_known(
    live: LiveGateway, work: Work, threads: ThreadPoolExecutor
) -> None:
    answer = threads.submit(detect, live)
    assert work.begun.wait(END_S)
    ahead = [Amount(0, 0, 1000), Amount(0, 0, 100), Amount(0, 0, 900), Amount(0, 0, 1500)]
    with following(live) as response:
        found = told(response)
        assert next(found) == stage("queued")
        tell_amounts(work.file(), Step.FACES, 0.0, ahead)
        assert next(found) == stage("faces", 0.0), "of no frame yet, nothing is known"
        tell_amounts(work.file(), Step.FACES, 0.5, [Amount(20, 500, 1000), *ahead[1:]])
        _, values = next(found)
        assert (values["stage"], values["done"]) == ("faces", 0.5)
        assert values["remaining_s"] > 18, "as long again, and what comes then"
        work.let_go.set()
        assert list(found)[-1] == end(200)
    assert answer.result().json() == RESULT


def test_a_request_that_is_yet_to_come_is_waited_for(
    live: LiveGateway, work: Work, threads: ThreadPoolExecutor
) -> None:
    def follow() -> list[tuple[str, Any]]:
        with following(live) as response:
            return list(told(response))

    route = {"route": "/v1/requests/{id}/events"}
    follower = threads.submit(follow)
    wait_until(lambda: live.metric("outofsync_http_in_progress", **route) == 1)
    work.let_go.set()
    assert detect(live).status_code == 200
    assert follower.result()[-1] == end(200)
    wait_until(lambda: live.metric("outofsync_http_in_progress", **route) == 0)
    assert live.metric("outofsync_http_requests_total", **route, status="200", code="") == 1


def test_an_upload_is_followed_too(live: LiveGateway, work: Work, threads: ThreadPoolExecutor) -> None:
    rest = threading.Event()

    def body() -> Iterator[bytes]:
        yield b"x" * 250
        assert rest.wait(END_S)
        yield b"x" * 750

    headers = {"X-OutOfSync-Request-Id": NAME, "Content-Length": "1000"}
    answer: Future[httpx.Response] = threads.submit(live.detect, body(), headers=headers)  # type: ignore[arg-type]
    with following(live) as response:
        found = told(response)
        while (event := next(found)) != stage("receiving", 0.25):
            assert event == stage("receiving", 0.0)
        rest.set()
        assert next(found) == stage("queued")
        work.let_go.set()
        assert list(found) == [end(200)]
    assert answer.result().status_code == 200


def test_the_end_is_told_again_for_a_while(live: LiveGateway, work: Work) -> None:
    work.let_go.set()
    detect(live)
    with following(live) as response:
        assert list(told(response)) == [end(200)]


def test_an_error_is_an_end(live: LiveGateway) -> None:
    live.servers[0].answer = lambda *_: torchserve_error(413, "", "")
    assert detect(live).status_code == 413
    with following(live) as response:
        assert list(told(response)) == [end(413)]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that does not come is waited for."""
    monkeypatch.setattr(app, "ARRIVAL_S", 0.1)


@pytest.mark.usefixtures("impatient")
def test_nobody_learns_of_others_requests(live: LiveGateway, work: Work, threads: ThreadPoolExecutor) -> None:
    other = keys.add(live.keys, "another")
    answer = threads.submit(detect, live)
    assert work.begun.wait(END_S)
    answers = []
    for key, name in ((other, NAME), (other, "never-sent"), (live.key, "never-sent"), (live.key, "a%2fb")):
        with following(live, name, key=key) as response:
            response.read()
            error = response.json()["error"]
            answers.append((response.status_code, {**error, "request_id": ""}))
    assert answers[0][0] == 404
    assert answers[0] == answers[1] == answers[2]
    with following(live, key="") as response:
        assert response.status_code == 401
    work.let_go.set()
    assert answer.result().status_code == 200


def test_two_callers_may_choose_one_name(live: LiveGateway, work: Work) -> None:
    other = keys.add(live.keys, "another")
    work.let_go.set()
    assert detect(live, key=other).status_code == 200
    live.servers[0].answer = lambda *_: torchserve_error(413, "", "")
    detect(live)
    for key, status in ((other, 200), (live.key, 413)):
        with following(live, key=key) as response:
            assert list(told(response)) == [end(status)]


def hang_up(live: LiveGateway, work: Work, path: str) -> Path:
    """A caller who hangs up while the server works; where that work was followed."""
    address = urlsplit(live.url)
    with socket.create_connection((address.hostname, address.port)) as caller:
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nX-Api-Key: {live.key}\r\n"
        caller.sendall(f"{head}X-OutOfSync-Request-Id: {NAME}\r\nContent-Length: 5\r\n\r\nvideo".encode())
        assert work.begun.wait(END_S)
        file = work.file()
        assert file.exists()
    return file


@pytest.mark.parametrize("path", ["/v1/detect", "/v1/deblur", "/detect"])
def test_a_caller_who_leaves_frees_the_server(live: LiveGateway, work: Work, path: str) -> None:
    file = hang_up(live, work, path)
    wait_until(lambda: not file.exists())
    with following(live) as response:
        assert list(told(response)) == [end(499)]


def test_after_a_server_has_died_it_begins_again(
    live: LiveGateway, work: Work, threads: ThreadPoolExecutor
) -> None:
    died = torchserve_error(507, "InternalServerException", "Worker died.")
    files = []

    def die_once(path: str, body: bytes) -> Response:
        files.append(work.file())
        if len(files) == 1:
            work.tell("compare 0.500")
            time.sleep(2 * events.EVERY_S)
            return died
        return work.answer(path, body)

    live.servers[0].answer = die_once
    answer = threads.submit(detect, live)
    with following(live) as response:
        found = told(response)
        while next(found) != stage("compare", 0.5):
            pass
        while next(found) != stage("queued"):
            pass
        assert not files[0].exists()
        assert work.begun.wait(END_S)
        work.let_go.set()
        assert list(found) == [end(200)]
    assert answer.result().status_code == 200
    assert len(set(files)) == 2


def test_a_server_that_cannot_be_told_works_all_the_same(make_gateway: MakeGateway) -> None:
    live = make_gateway()  # its state folder has no place for it
    assert detect(live).status_code == 200
    assert HEADER not in live.servers[0].asked[0][1]
    with following(live) as response:
        assert list(told(response)) == [end(200)]


def test_callers_do_not_choose_where_it_is_told(live: LiveGateway) -> None:
    live.detect(headers={HEADER: "a" * 32})
    assert live.servers[0].asked[0][1][HEADER] != "a" * 32


@pytest.mark.usefixtures("impatient")
def test_a_key_follows_so_many_requests_and_no_more(
    live: LiveGateway, work: Work, threads: ThreadPoolExecutor
) -> None:
    live.gateway.followers = Places(1)
    other = keys.add(live.keys, "another")
    answer = threads.submit(detect, live)
    assert work.begun.wait(END_S)
    with following(live) as first:
        found = told(first)
        next(found)
        with following(live) as second:
            second.read()
            assert (second.status_code, second.json()["error"]["code"]) == (503, "busy")
            assert second.headers["Retry-After"]
        with following(live, key=other) as third:
            assert third.status_code == 404, "each key has places of its own"
    wait_until(lambda: not live.gateway.followers._taken)
    work.let_go.set()
    assert answer.result().status_code == 200


def test_silence_is_broken_now_and_then(
    live: LiveGateway, work: Work, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.0)
    threads.submit(detect, live)
    assert work.begun.wait(END_S)
    with following(live) as response:
        found = told(response)
        assert [next(found) for _ in range(3)] == [stage("queued"), ("comment", None), ("comment", None)]
        work.let_go.set()


def test_a_gateway_that_stops_waits_for_nothing_new(live: LiveGateway, threads: ThreadPoolExecutor) -> None:
    def ask() -> httpx.Response:
        with following(live) as response:
            response.read()
            return response

    waiting = threads.submit(ask)
    wait_until(lambda: live.metric("outofsync_http_in_progress", route="/v1/requests/{id}/events") == 1)
    live.gateway.drain()
    assert waiting.result().json()["error"]["code"] == "busy"


def test_what_a_killed_gateway_left_goes(live: LiveGateway) -> None:
    folder = live.servers[0].state / "progress"
    old, left = folder / ("a" * 32), folder / ("b" * 32)
    for path in (old, left, folder / f"{left.name}.segments", folder / f"{'c' * 32}.segments"):
        path.touch()
    for path in (old, folder / f"{'c' * 32}.segments"):
        os.utime(path, (0, 0))
    with progress_file(live.servers[0].state, with_segments=True) as waited_for:
        assert waited_for is not None
        sweep(live.servers[0].state, 3600.0)
        assert set(folder.iterdir()) == {waited_for.path, waited_for.segments}
    assert list(folder.iterdir()) == []
