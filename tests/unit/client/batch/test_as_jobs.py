"""``outofsync batch --as-jobs``: what is handed in once goes on, whoever waits for it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from command_runner import outofsync
from starlette.responses import Response
from unit.client.batch.test_batch import VIDEOS, lines
from unit.gateway.conftest import END_S, LiveGateway, MakeGateway, make_gateway, said, wait_until

from outofsync_client import Client, ConnectionLostError, Jobs, Retries
from outofsync_client.batch import JobBatch, JobJournal, Ledger
from outofsync_client.batch.files import sha256_of

__all__ = ["make_gateway"]  # a fixture of the gateway's tests
Run = Callable[..., Result]
OPTIONS = {"deblur": "never"}


@pytest.fixture
def live(
    make_gateway: MakeGateway, make_result: Callable[..., dict[str, Any]], open_gate: threading.Event
) -> LiveGateway:
    mute = {"code": "no_audio", "status": 422, "stage": "decode", "message": "mute", "hint": ""}

    def answer(_path: str, body: bytes) -> Response:
        assert open_gate.wait(END_S)
        if b"mute" in body:
            return said({"error": {**mute, "request_id": ""}})
        return said(make_result(verdict="fake" if b"fake" in body else "real"))

    live = make_gateway()
    live.servers[0].answer = answer
    return live


@pytest.fixture
def run(live: LiveGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OUTOFSYNC_URL", live.url)
    monkeypatch.setenv("OUTOFSYNC_API_KEY", live.key)
    for name, content in VIDEOS.items():
        path = tmp_path / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return lambda *words: outofsync("batch", "videos", *words)


def judged(live: LiveGateway) -> int:
    return len(live.servers[0].asked)


def table(folder: Path) -> list[str]:
    return sorted((folder / "results.csv").read_text().splitlines())


def test_it_writes_what_a_batch_without_jobs_writes(run: Run, live: LiveGateway, tmp_path: Path) -> None:
    plain = run("--output-dir", "plain")
    by_jobs = run("--output-dir", "jobs", "--as-jobs", "--jobs", "2")
    assert (plain.exit_code, by_jobs.exit_code) == (3, 3), by_jobs.output
    assert table(tmp_path / "plain") == table(tmp_path / "jobs")
    counted = [len(lines(tmp_path / name / "errors.jsonl")) for name in ("plain", "jobs")]
    assert counted == [1, 1]
    assert "3 judged, 1 done before, 0 left" in by_jobs.stdout
    journal = lines(tmp_path / "jobs/jobs.jsonl")
    handed_in = {entry["job"] for entry in journal if "job" in entry}
    assert handed_in == {job["id"] for job in live.ask("GET", "/v1/jobs").json()["jobs"]}
    assert sum(entry.get("ended", False) for entry in journal) == 3
    before = judged(live)
    assert run("--output-dir", "jobs", "--as-jobs", "--resume").exit_code == 0
    assert judged(live) == before


def test_a_failed_one_is_tried_again_where_that_is_asked_for(
    run: Run, live: LiveGateway, tmp_path: Path
) -> None:
    run("--output-dir", "out", "--as-jobs")
    before = judged(live)
    assert run("--output-dir", "out", "--as-jobs", "--resume", "--retry-failed").exit_code == 3
    assert judged(live) == before + 1
    numbers = [entry["number"] for entry in lines(tmp_path / "out/jobs.jsonl") if "job" in entry]
    assert sorted(numbers) == [0, 0, 0, 1]


def test_a_server_without_an_edge_takes_none(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OUTOFSYNC_URL")
    monkeypatch.delenv("OUTOFSYNC_API_KEY")
    state = {"url": "http://127.0.0.1:1", "token": "x", "metrics_url": "", "management_url": ""}
    (tmp_path / ".state").mkdir()
    (tmp_path / ".state/server.json").write_text(json.dumps({**state, "management_token": "x"}))
    refused = run("--output-dir", "out", "--as-jobs")
    assert (refused.exit_code, "edge" in refused.stderr) == (3, True)


def test_so_many_are_under_way_and_no_more(run: Run, live: LiveGateway, open_gate: threading.Event) -> None:
    open_gate.clear()
    thread = threading.Thread(target=run, args=("--output-dir", "out", "--as-jobs", "--jobs", "2"))
    thread.start()
    wait_until(lambda: judged(live) == 2)
    assert len(live.ask("GET", "/v1/jobs").json()["jobs"]) == 2
    open_gate.set()
    thread.join()


def batch_of(client: Client, folder: Path, video: Path, **choices: bool) -> list[Any]:
    with Ledger(folder, OPTIONS, resume=True) as ledger, JobJournal(folder, OPTIONS) as journal:
        return list(JobBatch(client, ledger, journal, jobs=1, **choices).run([video]))


@pytest.fixture
def client(live: LiveGateway) -> Iterator[Client]:
    with Client(live.url, api_key=live.key, retries=Retries.none()) as made:
        yield made


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "long.mp4"
    path.write_bytes(bytes(3 << 20) + b"fake")
    return path


class Killed(BaseException):
    """As sudden as SIGKILL."""


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outofsync_client._jobs.LARGE_BYTES", 1000)
    monkeypatch.setattr("outofsync_client._pieces.PIECE_BYTES", 1 << 20)


@pytest.mark.usefixtures("large")
def test_a_large_upload_goes_on_in_the_next_process(
    client: Client, tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from outofsync_client import _pieces

    sent: list[int] = []
    send = _pieces._send

    def counted(*words: Any) -> Any:
        offset = words[4]
        sent.append(offset)
        if len(sent) == 2:
            raise Killed
        return send(*words)

    monkeypatch.setattr(_pieces, "_send", counted)
    with pytest.raises(Killed):
        batch_of(client, tmp_path / "out", video)
    ((_, outcome),) = batch_of(client, tmp_path / "out", video)
    assert outcome.verdict == "fake"
    assert sent == [0, 1 << 20, 1 << 20, 2 << 20, 3 << 20], "what had come was not sent again"


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("lost", [True, False])
def test_a_job_whose_id_was_lost_is_not_handed_in_again(
    client: Client,
    live: LiveGateway,
    tmp_path: Path,
    video: Path,
    monkeypatch: pytest.MonkeyPatch,
    lost: bool,
) -> None:
    if not lost:  # small files have no upload to go by
        monkeypatch.setattr("outofsync_client._jobs.LARGE_BYTES", 1 << 30)
    note = JobJournal.note

    def killed(journal: JobJournal, digest: str, number: int, **known: Any) -> None:
        if "job" in known:
            raise Killed
        note(journal, digest, number, **known)

    monkeypatch.setattr(JobJournal, "note", killed)
    with pytest.raises(Killed):
        batch_of(client, tmp_path / "out", video)
    monkeypatch.setattr(JobJournal, "note", note)
    ((_, outcome),) = batch_of(client, tmp_path / "out", video)
    assert outcome.verdict == "fake"
    assert len(live.ask("GET", "/v1/jobs").json()["jobs"]) == 1
    uploads = live.servers[0].state / "jobs" / "uploads"
    assert not list(uploads.iterdir())


def test_one_that_was_forgotten_is_handed_in_anew(client: Client, tmp_path: Path, video: Path) -> None:
    folder = tmp_path / "out"
    with JobJournal(folder, OPTIONS) as journal:
        journal.note(sha256_of(video), 0, job="0" * 32)
    ((_, outcome),) = batch_of(client, folder, video)
    assert outcome.verdict == "fake"
    assert [entry["number"] for entry in lines(folder / "jobs.jsonl") if "job" in entry] == [0, 1]


def test_another_folder_asks_anew(client: Client, live: LiveGateway, tmp_path: Path, video: Path) -> None:
    for name in ("one", "another"):
        ((_, outcome),) = batch_of(client, tmp_path / name, video)
        assert outcome.verdict == "fake"
    assert len(live.ask("GET", "/v1/jobs").json()["jobs"]) == 2


def test_a_server_that_is_away_ends_no_job(
    client: Client, live: LiveGateway, tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> Any:
        raise ConnectionLostError("the line is cut")

    with monkeypatch.context() as patched:
        patched.setattr(Jobs, "wait", away)
        ((_, outcome),) = batch_of(client, tmp_path / "out", video)
    assert isinstance(outcome, ConnectionLostError)
    ((_, outcome),) = batch_of(client, tmp_path / "out", video, retry_failed=True)
    assert not isinstance(outcome, Exception)
    assert len(live.ask("GET", "/v1/jobs").json()["jobs"]) == 1


def test_a_cancelled_job_is_said_to_be(
    client: Client, open_gate: threading.Event, tmp_path: Path, video: Path
) -> None:
    open_gate.clear()
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.extend(batch_of(client, tmp_path / "out", video)))
    thread.start()

    def job() -> str | None:
        path = tmp_path / "out/jobs.jsonl"
        entries = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return next((entry["job"] for entry in entries if "job" in entry), None)

    wait_until(job)
    client.jobs.cancel(str(job()))
    open_gate.set()
    thread.join()
    ((_, outcome),) = found
    assert outcome.code == "cancelled"
