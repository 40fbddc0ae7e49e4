"""What becomes of jobs when their gateway is stopped or killed, at each state."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from standardwebhooks import Webhook
from starlette.responses import Response
from unit.gateway.conftest import (
    END_S,
    LOOPBACK,
    RESULT,
    FakeServer,
    killed_gateway,
    said,
    wait_until,
)
from unit.gateway.jobs.test_callbacks import Receiver, receiver

from benchmarks.ports import free_port
from gateway.jobs.job import State
from gateway.jobs.tables import FILE, GATEWAYS, JOBS

__all__ = ["receiver"]  # a fixture
pytestmark = pytest.mark.slow
LEASE_S = 1.0


@contextmanager
def gateway(server: FakeServer, **jobs: Any) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A gateway that is killed at the end of the block."""
    port = free_port()
    chosen = {"lease_s": LEASE_S, **jobs}
    settings = {"states": [str(server.state)], "keys": None, "port": port, "notice_s": 0, "jobs": chosen}
    with killed_gateway(port, "--settings", json.dumps(settings)) as live:
        yield live


def submit(url: str, body: bytes) -> str:
    answer = httpx.post(f"{url}/v1/jobs", content=body, **LOOPBACK)
    assert answer.status_code == 202
    return str(answer.json()["id"])


def ended(url: str, job: str) -> dict[str, Any]:
    while True:  # a busy machine may take its time
        answer = httpx.get(f"{url}/v1/jobs/{job}", headers={"Prefer": "wait=20"}, **LOOPBACK)
        values: dict[str, Any] = answer.json()
        if values["ended"]:
            return values


@pytest.fixture
def closed(server: FakeServer) -> Iterator[threading.Event]:
    """Judging takes until this is set."""
    opened = threading.Event()

    def answer(_path: str, _body: bytes) -> Response:
        assert opened.wait(END_S)
        return said(RESULT)

    server.answer = answer
    yield opened
    opened.set()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_running_and_waiting_jobs_are_ended_by_the_next_gateway(
    server: FakeServer, closed: threading.Event, number: signal.Signals
) -> None:
    with gateway(server, at_once=1) as (url, process):
        running, waiting = submit(url, b"running"), submit(url, b"waiting")
        wait_until(lambda: server.asked)
        process.send_signal(number)
        process.wait()
    closed.set()
    with gateway(server, at_once=1) as (url, _):
        for job, attempts in ((running, 2), (waiting, 1)):
            found = ended(url, job)
            assert (found["state"], found["result"], found["attempts"]) == ("done", RESULT, attempts)
    assert sorted(body for _, _, body in server.asked) == [b"running", b"running", b"waiting"]
    assert not list((server.state / "jobs" / "uploads").iterdir())


def test_an_upload_that_was_kept_but_not_queued_is_found(server: FakeServer) -> None:
    with gateway(server) as (url, _):
        job = submit(url, b"video")
        assert ended(url, job)["state"] == "done"
    engine = sa.create_engine(f"sqlite:///{server.state / 'jobs' / FILE}")
    (server.state / "jobs" / "uploads" / ("0" * 32)).write_bytes(b"left")
    with engine.begin() as connection:  # as it is between the two steps of taking a job
        row = dict(connection.execute(sa.select(JOBS)).one()._mapping)
        row |= {"id": "0" * 32, "state": State.RECEIVED, "result": None, "ended": None}
        row |= {"attempt": 0, "size": 4}
        connection.execute(sa.insert(JOBS).values(row))
        connection.execute(sa.insert(GATEWAYS).values(id="dead", seen=0.0))
    with gateway(server) as (url, _):
        assert ended(url, "0" * 32)["result"] == RESULT
        wait_until(lambda: "dead" not in _names(engine))
    assert server.asked[-1][2] == b"left"
    engine.dispose()


def test_a_job_that_its_engine_takes_for_ended_is_found(server: FakeServer) -> None:
    with gateway(server) as (url, _):
        job = submit(url, b"video")
        assert ended(url, job)["state"] == "done"
        (server.state / "jobs" / "uploads" / job).write_bytes(b"video")
        engine = sa.create_engine(f"sqlite:///{server.state / 'jobs' / FILE}")
        with engine.begin() as connection:  # as two runs leave it, of which the one that counts is lost
            connection.execute(sa.update(JOBS).values(state=State.RUNNING, result=None, ended=None))
        engine.dispose()
        found = ended(url, job)
        assert (found["state"], found["attempts"], found["result"]) == ("done", 2, RESULT)


def _names(engine: sa.Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.scalars(sa.select(GATEWAYS.c.id)))


def test_jobs_wait_for_a_server_that_is_away(server: FakeServer, tmp_path: Path) -> None:
    state = tmp_path / "server.json"
    said_before = state.read_text()
    with gateway(server) as (url, _):
        state.unlink()
        job = submit(url, b"video")
        early = httpx.get(f"{url}/v1/jobs/{job}", headers={"Prefer": "wait=2"}, **LOOPBACK).json()
        assert early["state"] in ("queued", "running")
        state.write_text(said_before)
        assert ended(url, job)["state"] == "done"


def test_a_job_whose_server_dies_of_it_fails_in_the_end(server: FakeServer) -> None:
    server.answer = lambda *_: said({"code": 500, "type": "WorkerDied", "message": "Worker died."}, 500)
    with gateway(server) as (url, _):
        failed = ended(url, submit(url, b"video"))
    assert (failed["state"], failed["failure"]["code"], failed["attempts"]) == ("failed", "internal", 3)


def test_a_callback_goes_on_after_its_gateway_was_killed(server: FakeServer, receiver: Receiver) -> None:
    receiver.statuses = [503]
    with gateway(server, callbacks=[receiver.place]) as (url, _):
        secret = httpx.post(f"{url}/v1/callback-secret", **LOOPBACK).json()["secret"]
        answer = httpx.post(f"{url}/v1/jobs", params={"callback": receiver.url}, content=b"video", **LOOPBACK)
        wait_until(lambda: receiver.heard)
    with gateway(server, callbacks=[receiver.place]) as (url, _):
        wait_until(lambda: len(receiver.heard) > 1)
    (first, again) = receiver.heard[:2]
    assert first[1]["webhook-id"] == again[1]["webhook-id"] == answer.json()["id"]
    assert Webhook(secret).verify(again[2], again[1])["data"]["state"] == "done"
