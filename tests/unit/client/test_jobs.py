"""Jobs by both clients and by the command line, at a gateway that keeps them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result as Outcome
from command_runner import outofsync
from starlette.responses import Response
from unit.gateway.conftest import END_S, LiveGateway, MakeGateway, make_gateway, said

from outofsync_client import (
    AsyncClient,
    Client,
    ConnectionLostError,
    Job,
    NoAudioError,
    NotFoundError,
    RequestTimeoutError,
    Retries,
)

__all__ = ["make_gateway"]  # a fixture of the gateway's tests
MakeResult = Callable[..., dict[str, Any]]


@pytest.fixture
def answers(make_result: MakeResult) -> dict[bytes, dict[str, Any]]:
    """What is found in a file that ends with these words."""
    error = {"code": "no_audio", "status": 422, "stage": "decode", "message": "The file is mute.", "hint": ""}
    fake = make_result(verdict="fake", label="FAKE", probability_fake=0.97, score=1.5)
    return {b"real": make_result(), b"fake": fake, b"mute": {"error": {**error, "request_id": ""}}}


@pytest.fixture
def live(
    make_gateway: MakeGateway,
    answers: dict[bytes, dict[str, Any]],
    open_gate: threading.Event,
) -> LiveGateway:
    def answer(_path: str, body: bytes) -> Response:
        assert open_gate.wait(END_S)
        return said(next(found for words, found in answers.items() if words in body))

    live = make_gateway()
    live.servers[0].answer = answer
    return live


@pytest.fixture
def client(live: LiveGateway) -> Iterator[Client]:
    with Client(live.url, api_key=live.key, retries=Retries(attempts=2, first_wait=0.01)) as made:
        yield made


def test_a_job_is_handed_in_and_waited_for(
    client: Client, live: LiveGateway, tmp_path: Path, answers: dict[bytes, dict[str, Any]]
) -> None:
    video = tmp_path / "talk.mp4"
    video.write_bytes(b"fake")
    job = client.jobs.submit(video, priority="bulk", mode="reference", include=["tracks"])
    assert (job.file, job.finished) == ("talk.mp4", False)
    with pytest.raises(LookupError, match="no result"):
        _ = job.result
    done = client.jobs.wait(job, seconds=END_S)
    assert (done.state, done.verdict, done.label, done.attempts) == ("done", "fake", "FAKE", 1)
    assert done.result.probability_fake == answers[b"fake"]["probability_fake"]
    assert done.to_dict()["options"]["mode"] == "reference"
    assert b'"include": ["tracks"]' in live.servers[0].asked[-1][2]


def test_a_failed_job_raises_what_detect_would_have(client: Client) -> None:
    failed = client.jobs.wait(client.jobs.submit(b"mute", name="silence"))
    assert (failed.state, failed.file) == ("failed", "silence")
    assert isinstance(failed.failure, NoAudioError)
    with pytest.raises(NoAudioError, match="mute"):
        _ = failed.result


def test_jobs_are_listed_with_filters_and_over_pages(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outofsync_client._jobs.PAGE", 2)
    jobs = [client.jobs.submit(b"real", name=str(number)) for number in range(5)]
    for job in jobs:
        client.jobs.wait(job)
    assert [job.file for job in client.jobs.list()] == ["4", "3", "2", "1", "0"]
    assert list(client.jobs.list(verdict="fake")) == []
    assert len(list(client.jobs.list(state="done", label="REAL"))) == 5


def test_a_job_is_followed_and_cancelled(client: Client, open_gate: threading.Event) -> None:
    open_gate.clear()
    job = client.jobs.submit(b"real")
    with pytest.raises(RequestTimeoutError, match=job.id):
        client.jobs.wait(job, seconds=0.0)
    events = client.jobs.events(job)
    seen = [next(events)]
    while seen[-1].state != "running":
        seen.append(next(events))
    cancelled = client.jobs.cancel(job.id)
    assert cancelled is not None
    assert [one.state for one in events] == ["cancelled"]
    assert client.jobs.cancel(job) is None
    with pytest.raises(NotFoundError):
        client.jobs.get(job)


def test_jobs_are_the_edges(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="edge"):
        _ = Client.of_state(tmp_path).jobs


def test_the_same_is_awaited(live: LiveGateway, open_gate: threading.Event) -> None:
    async def work() -> list[Job]:
        async with AsyncClient(live.url, api_key=live.key) as client:
            job = await client.jobs.submit(b"real", name="talk")
            async for told in client.jobs.events(job):
                last = told
            assert last.finished
            done = await client.jobs.wait(job)
            assert done.result.verdict == (await client.jobs.get(job)).verdict == "real"
            open_gate.clear()
            second = await client.jobs.submit(b"real", fresh=True)
            assert (await client.jobs.cancel(second)) is not None
            open_gate.set()
            return [job async for job in client.jobs.list()]

    assert [job.state for job in asyncio.run(work())] == ["cancelled", "done"]


def test_an_answer_that_was_lost_makes_no_second_job(
    live: LiveGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []
    submit = live.gateway.jobs.submit

    async def lose_the_first(*words: Any) -> Any:
        job = await submit(*words)
        taken.append(job.id)
        if len(taken) == 1:
            raise RuntimeError("the answer is lost")
        return job

    monkeypatch.setattr(live.gateway.jobs, "submit", lose_the_first)
    headers = {"Idempotency-Key": "the-same"}
    assert live.ask("POST", "/v1/jobs", content=b"real", headers=headers).status_code == 500
    assert live.ask("POST", "/v1/jobs", content=b"real", headers=headers).status_code == 202
    assert taken[0] == taken[1]


def test_a_large_file_goes_on_from_where_its_connection_broke(
    client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("outofsync_client._jobs.LARGE_BYTES", 1000)
    monkeypatch.setattr("outofsync_client._pieces.PIECE_BYTES", 1 << 20)
    video = tmp_path / "talk.mp4"
    video.write_bytes(bytes(3 << 20) + b"real")
    broken: list[int] = []
    sent: list[int] = []

    def on_upload(done: int, _total: int) -> None:
        sent.append(done)
        if done > (3 << 20) * 0.8 and not broken:
            broken.append(done)
            raise ConnectionLostError("the line is cut")

    job = client.jobs.submit(video, on_upload=on_upload, mode="reference")
    assert (job.file, job.sha256) == ("talk.mp4", hashlib.sha256(video.read_bytes()).hexdigest())
    again = sent[sent.index(broken[0]) + 1]
    assert again > 2 << 20, "what had come was not sent again"
    done = client.jobs.wait(job)
    assert done.result.verdict == "real"
    assert done.to_dict()["options"]["mode"] == "reference"


def test_the_same_is_awaited_for_a_large_file(live: LiveGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outofsync_client._jobs.LARGE_BYTES", 10)

    async def work() -> Job:
        async with AsyncClient(live.url, api_key=live.key) as client:
            return await client.jobs.wait(await client.jobs.submit(bytes(100) + b"fake"))

    assert asyncio.run(work()).verdict == "fake"


@pytest.fixture
def run(live: LiveGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OUTOFSYNC_URL", live.url)
    monkeypatch.setenv("OUTOFSYNC_API_KEY", live.key)
    for words in ("real", "fake", "mute"):
        (tmp_path / f"{words}.mp4").write_bytes(words.encode())
    return outofsync


def test_the_command_line_hands_in_and_waits(run: Callable[..., Outcome]) -> None:
    submitted = run("submit", "real.mp4", "fake.mp4", "mute.mp4", "--priority", "bulk")
    assert submitted.exit_code == 0, submitted.output
    ids = [line.split()[0] for line in submitted.stdout.splitlines()]
    waited = run("jobs", "wait", *ids[:2])
    assert (waited.exit_code, "fake.mp4" in waited.stdout) == (1, True)
    failed = run("jobs", "wait", ids[2], "--json")
    assert failed.exit_code == 3
    assert json.loads(failed.stdout)["error"]["code"] == "no_audio"
    listed = run("jobs", "list", "--json", "--state", "done")
    assert [json.loads(line)["file"] for line in listed.stdout.splitlines()] == ["fake.mp4", "real.mp4"]
    assert "mute.mp4" in run("jobs", "list").stdout
    assert "real.mp4" in run("jobs", "show", ids[0]).stdout
    assert json.loads(run("jobs", "show", ids[0], "--json").stdout)["result"]["verdict"] == "real"


def test_the_command_line_cancels_and_forgets(
    run: Callable[..., Outcome], open_gate: threading.Event
) -> None:
    open_gate.clear()
    (id,) = (line.split()[0] for line in run("submit", "real.mp4").stdout.splitlines())
    assert "cancelled" in run("jobs", "cancel", id).stdout
    waited = run("jobs", "wait", id)
    assert (waited.exit_code, f"{id} is cancelled" in waited.stderr) == (3, True)
    assert "cancelled" in run("jobs", "show", id).stdout
    assert "forgotten" in run("jobs", "cancel", id).stdout
    unknown = run("jobs", "show", id)
    assert (unknown.exit_code, "no such job" in unknown.stderr) == (3, True)
    assert run("submit", "nothing.mp4").exit_code == 3
