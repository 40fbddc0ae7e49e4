"""Jobs as callers meet them: handed in, asked for, listed, ended."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from unit.gateway.conftest import RESULT, LiveGateway, MakeGateway, said, wait_until
from unit.gateway.jobs.conftest import Gate

from gateway import keys
from gateway.jobs import queue
from gateway.jobs.settings import JobSettings

WAIT = {"Prefer": "wait=20"}


def submit(
    live: LiveGateway, body: bytes = b"video", path: str = "/v1/jobs", **request: Any
) -> dict[str, Any]:
    answer = live.ask("POST", path, content=body, **request)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    return job


def get(live: LiveGateway, job: dict[str, Any], **request: Any) -> dict[str, Any]:
    answer = live.ask("GET", f"/v1/jobs/{job['id']}", **request)
    assert answer.status_code == 200, answer.text
    values: dict[str, Any] = answer.json()
    return values


def ended(live: LiveGateway, job: dict[str, Any]) -> dict[str, Any]:
    while not (found := get(live, job, headers=WAIT))["ended"]:
        pass  # a busy machine may take its time
    return found


def uploads(live: LiveGateway) -> list[Path]:
    return list((live.servers[0].state / "jobs" / "uploads").iterdir())


def test_a_job_is_taken_and_its_answer_is_there_when_it_is_asked_for(live: LiveGateway) -> None:
    taken = submit(
        live, path="/v1/jobs?file=talk.mp4&priority=bulk", headers={"X-OutOfSync-Request-Id": "mine"}
    )
    assert (taken["file"], taken["priority"], taken["state"]) == ("talk.mp4", "bulk", "queued")
    done = ended(live, taken)
    assert (done["state"], done["result"], done["verdict"], done["label"]) == ("done", RESULT, "real", "REAL")
    assert done["created"] <= done["started"] <= done["ended"]
    path, headers, body = live.servers[0].asked[-1]
    assert (path, body, headers["x-outofsync-request-id"]) == ("/wfpredict/deepfake", b"video", "mine")
    assert "x-api-key" not in headers
    assert uploads(live) == []


def test_a_lone_job_does_not_wait_until_the_queue_is_looked_at(make_gateway: MakeGateway) -> None:
    live = make_gateway(jobs=JobSettings(poll_s=3600.0))
    for _ in range(2):
        assert ended(live, submit(live))["state"] == "done"


def test_where_one_at_a_time_is_allowed_every_job_queues(make_gateway: MakeGateway) -> None:
    live = make_gateway(jobs=JobSettings(poll_s=3600.0, at_once=1))
    job = submit(live)
    assert live.ask("GET", f"/v1/jobs/{job['id']}", headers={"Prefer": "wait=1"}).json()["state"] == "queued"


def test_the_queue_is_looked_at_seldom_where_nothing_has_waited_for_long(
    make_gateway: MakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "REST_S", 2.0)
    live = make_gateway(jobs=JobSettings(poll_s=0.05, lease_s=1.0))
    gate = Gate()
    live.servers[0].answer = gate.answer

    def pause_s() -> float:
        file = live.servers[0].state / "jobs" / "queue.sqlite"
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as known:
            asked = "SELECT polling_interval_sec FROM queues WHERE name = 'jobs'"
            return float(known.execute(asked).fetchone()[0])

    jobs = [submit(live, body) for body in (b"1", b"2")]  # the second finds the first under way, and queues
    assert pause_s() == 0.05
    gate.open.set()
    assert [ended(live, job)["state"] for job in jobs] == ["done"] * 2
    wait_until(lambda: pause_s() == 1.0)
    gate.open.clear()
    jobs = [submit(live, body) for body in (b"3", b"4")]
    assert pause_s() == 0.05, "at once, not a round later"
    gate.open.set()
    assert [ended(live, job)["state"] for job in jobs] == ["done"] * 2


def test_a_form_is_judged_as_it_would_be_at_once(live: LiveGateway) -> None:
    form: dict[str, Any] = {
        "files": {"data": ("a/b/talk.mp4", b"video")},
        "data": {"options": json.dumps({"mode": "reference"})},
    }
    taken = live.ask("POST", "/v1/jobs", **form).json()
    assert taken["file"] == "talk.mp4"
    assert ended(live, taken)["state"] == "done"
    live.ask("POST", "/v1/detect", **form)
    as_job, at_once = (body.replace(body.splitlines()[0], b"--") for _, _, body in live.servers[0].asked)
    assert as_job == at_once


def test_a_job_that_is_handed_in_again_is_the_same(live: LiveGateway) -> None:
    mine = {"Idempotency-Key": "once"}
    first = submit(live, headers=mine)
    assert submit(live, headers=mine)["id"] == first["id"]
    assert ended(live, first)["state"] == "done"
    assert submit(live, headers=mine)["state"] == "done"
    other = keys.add(live.keys, "other")
    assert submit(live, headers={**mine, "X-Api-Key": other})["id"] != first["id"]
    twice = submit(live, headers={"Idempotency-Key": "twice"})
    assert twice["id"] != first["id"]
    refused = live.ask("POST", "/v1/jobs", content=b"another video", headers=mine)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "bad_options")
    wait_until(lambda: not uploads(live))  # those of the jobs that are under way, too


def test_detect_answers_with_a_job_where_that_is_preferred(live: LiveGateway) -> None:
    answer = live.detect(headers={"Prefer": "respond-async, wait=5"})
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "respond-async")
    assert ended(live, answer.json())["result"] == RESULT
    assert live.detect(headers={"Prefer": "return=minimal"}).json() == RESULT


def test_whoever_prefers_to_wait_is_answered_at_the_end_or_when_the_time_is_over(
    live: LiveGateway, gate: Gate
) -> None:
    taken = submit(live)
    wait_until(lambda: live.servers[0].asked)
    early = live.ask("GET", f"/v1/jobs/{taken['id']}", headers={"Prefer": "wait=1"})
    assert (early.json()["state"], early.headers["preference-applied"]) == ("running", "wait=1")
    assert "result" not in early.json()
    gate.open.set()
    assert ended(live, taken)["state"] == "done"


def test_a_failure_is_kept_as_the_envelope_that_a_request_would_have_had(live: LiveGateway) -> None:
    error = {"code": "no_audio", "status": 422, "stage": "decode", "message": "mute", "hint": "speak"}
    live.servers[0].answer = lambda *_: said({"error": {**error, "request_id": "x"}}, 422)
    failed = ended(live, submit(live, headers={"X-OutOfSync-Request-Id": "mine"}))
    assert (failed["state"], failed["failure"]) == ("failed", {**error, "request_id": "mine"})
    assert "result" not in failed
    assert uploads(live) == []


@pytest.mark.parametrize(
    "request_of",
    [
        {"path": "/v1/jobs?speed=fast"},
        {"path": "/v1/jobs?priority=first"},
        {"path": "/v1/jobs?fresh=maybe"},
        {"path": "/v1/jobs?upload=mine"},
        {"path": "/v1/jobs?file=a&file=b"},
        {"path": "/v1/jobs?file=" + "a" * 256},
        {"files": {"data": b"video"}, "data": {"options": '{"mode": "best"}'}},
        {"files": {"data": b"video"}, "data": {"sound": "yes"}},
    ],
)
def test_what_makes_no_sense_is_refused_and_leaves_nothing(
    live: LiveGateway, request_of: dict[str, Any]
) -> None:
    answer = live.ask("POST", request_of.pop("path", "/v1/jobs"), **request_of)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_options")
    assert live.ask("GET", "/v1/jobs").json() == {"jobs": [], "next": None}
    assert uploads(live) == []


@pytest.mark.parametrize("request_of", [{"content": b""}, {"files": {"options": (None, "{}")}}])
def test_a_job_without_a_file_is_refused(live: LiveGateway, request_of: dict[str, Any]) -> None:
    answer = live.ask("POST", "/v1/jobs", **request_of)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "empty_file")
    assert uploads(live) == []


def test_an_upload_that_is_too_large_leaves_nothing(make_gateway: MakeGateway) -> None:
    live = make_gateway(request_bytes=1000)
    for headers in ({}, {"Transfer-Encoding": "chunked"}):
        body: Any = b"v" * 2000 if not headers else iter([b"v" * 900] * 3)
        assert live.ask("POST", "/v1/jobs", content=body, headers=headers).status_code == 413
    assert uploads(live) == []


def test_jobs_are_listed_for_their_own_key_newest_first_in_pages(live: LiveGateway) -> None:
    mine = [submit(live, path=f"/v1/jobs?file={number}&fresh=true")["id"] for number in range(5)]
    other = keys.add(live.keys, "other")
    theirs = submit(live, headers={"X-Api-Key": other})
    first = live.ask("GET", "/v1/jobs?limit=3").json()
    rest = live.ask("GET", f"/v1/jobs?limit=3&before={first['next']}").json()
    assert [job["id"] for job in first["jobs"] + rest["jobs"]] == mine[::-1]
    assert rest["next"] is None
    assert [job["id"] for job in live.ask("GET", "/v1/jobs", key=other).json()["jobs"]] == [theirs["id"]]
    for method in ("GET", "DELETE"):
        assert live.ask(method, f"/v1/jobs/{theirs['id']}").status_code == 404
    assert live.ask("GET", "/v1/jobs", key="").status_code == 401


def test_lists_are_filtered(live: LiveGateway) -> None:
    real = submit(live)
    assert ended(live, real)["state"] == "done"
    live.servers[0].answer = lambda *_: said({**RESULT, "verdict": "fake", "label": "FAKE"})
    fake = submit(live, b"another")
    assert ended(live, fake)["state"] == "done"
    for query, expected in (("verdict=fake", [fake]), ("label=REAL", [real]), ("state=done", [fake, real])):
        found = live.ask("GET", f"/v1/jobs?{query}").json()["jobs"]
        assert [job["id"] for job in found] == [job["id"] for job in expected]
    assert live.ask("GET", "/v1/jobs?state=failed").json()["jobs"] == []
    for query in ("state=over", "verdict=maybe", "limit=0", "limit=201", "before=x", "colour=red"):
        assert live.ask("GET", f"/v1/jobs?{query}").json()["error"]["code"] == "bad_options", query


def test_a_job_that_runs_is_cancelled_and_the_server_freed(make_gateway: MakeGateway) -> None:
    live = make_gateway(prepare=lambda server: (server.state / "progress").mkdir())
    gate = Gate()
    live.servers[0].answer = gate.answer
    taken = submit(live)
    progress = live.servers[0].state / "progress"
    wait_until(lambda: live.servers[0].asked and list(progress.iterdir()))
    cancelled = live.ask("DELETE", f"/v1/jobs/{taken['id']}")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    wait_until(lambda: not list(progress.iterdir()))  # which tells the server that nobody waits
    gate.open.set()
    assert get(live, taken)["state"] == "cancelled"
    assert uploads(live) == []


def test_a_job_that_waits_is_cancelled_and_never_begun(make_gateway: MakeGateway) -> None:
    live = make_gateway(jobs=JobSettings(at_once=1))
    gate = Gate()
    live.servers[0].answer = gate.answer
    first, second = submit(live, b"first"), submit(live, b"second")
    wait_until(lambda: live.servers[0].asked)
    assert live.ask("DELETE", f"/v1/jobs/{second['id']}").json()["state"] == "cancelled"
    gate.open.set()
    assert ended(live, first)["state"] == "done"
    assert ended(live, submit(live, b"third"))["state"] == "done"
    assert [body for _, _, body in live.servers[0].asked] == [b"first", b"third"]


def test_what_is_forgotten_leaves_no_trace(live: LiveGateway) -> None:
    name = "a-name-that-stands-nowhere-else"
    taken = submit(live, path=f"/v1/jobs?file={name}")
    assert ended(live, taken)["file"] == name
    folder = live.servers[0].state / "jobs"

    def kept(words: bytes) -> bool:
        return any(words in path.read_bytes() for path in folder.rglob("*") if path.is_file())

    assert kept(name.encode())
    assert live.ask("DELETE", f"/v1/jobs/{taken['id']}").status_code == 204
    assert live.ask("GET", f"/v1/jobs/{taken['id']}").status_code == 404
    assert not kept(name.encode())
    assert live.ask("DELETE", f"/v1/jobs/{taken['id']}").status_code == 404


def test_a_key_has_so_many_jobs_at_a_time_and_others_are_not_concerned(make_gateway: MakeGateway) -> None:
    live = make_gateway(jobs=JobSettings(at_once=1, most_unfinished=2, most_upload_bytes=20))
    gate = Gate()
    live.servers[0].answer = gate.answer
    submit(live), submit(live)
    refused = live.ask("POST", "/v1/jobs", content=b"video")
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "busy")
    assert int(refused.headers["retry-after"]) > 0
    other = keys.add(live.keys, "other")
    assert live.ask("POST", "/v1/jobs", content=b"v" * 21, key=other).status_code == 429
    submit(live, headers={"X-Api-Key": other})
    assert len(uploads(live)) == 3
    gate.open.set()


def test_keys_take_turns_and_bulk_comes_last(make_gateway: MakeGateway) -> None:
    live = make_gateway(jobs=JobSettings(at_once=1))
    gate = Gate()
    live.servers[0].answer = gate.answer
    other = keys.add(live.keys, "other")
    submit(live, b"first")
    wait_until(lambda: live.servers[0].asked)
    bulk = submit(live, b"bulk", path="/v1/jobs?priority=bulk")
    for number in range(3):
        submit(live, b"mine %d" % number)
    submit(live, b"theirs", headers={"X-Api-Key": other})
    gate.open.set()
    assert ended(live, bulk)["state"] == "done"
    order = [body for _, _, body in live.servers[0].asked]
    assert order[0] == b"first"
    assert order.index(b"theirs") <= 2
    assert order[-1] == b"bulk"


def test_the_same_file_is_not_judged_twice_for_the_same_key(make_gateway: MakeGateway) -> None:
    live = make_gateway(prepare=lambda server: server.record(promoted="one"))
    first = ended(live, submit(live))
    again = submit(live)
    assert (again["state"], again["answered_by"]) == ("done", first["id"])
    assert get(live, again)["result"] == RESULT
    assert len(live.servers[0].asked) == 1
    other = {"X-Api-Key": keys.add(live.keys, "other")}
    options: dict[str, Any] = {"files": {"data": b"video"}, "data": {"options": '{"mode": "reference"}'}}
    for job in (
        submit(live, path="/v1/jobs?fresh=true"),
        submit(live, b"another file"),
        live.ask("POST", "/v1/jobs", **options).json(),
    ):
        assert (ended(live, job)["state"], job["answered_by"]) == ("done", None)
    theirs = submit(live, headers=other)
    assert theirs["answered_by"] is None, "it is judged for them: what another key has sent is nobody else's"
    live.servers[0].record(promoted="two")
    assert submit(live)["answered_by"] is None


def test_jobs_are_counted_and_every_change_of_state_is_a_line_of_the_log(
    make_gateway: MakeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    live = make_gateway(jobs=JobSettings(at_once=1, lease_s=1.0))
    gate = Gate()
    live.servers[0].answer = gate.answer
    caplog.set_level("INFO", logger="gateway.jobs")
    taken = submit(live, headers={"X-OutOfSync-Request-Id": "mine"})
    submit(live, b"another")
    wait_until(lambda: live.metric("outofsync_jobs_unfinished", state="running") == 1)
    wait_until(lambda: live.metric("outofsync_jobs_unfinished", state="queued") == 1)
    assert live.metric("outofsync_jobs_oldest_seconds") > 0
    gate.open.set()
    assert ended(live, taken)["state"] == "done"
    wait_until(lambda: live.metric("outofsync_jobs_ended_total", state="done") == 2)
    wait_until(lambda: live.metric("outofsync_jobs_unfinished", state="queued") == 0)
    lines = [vars(record)["entry"] for record in caplog.records if record.name == "gateway.jobs"]
    states = [line["state"] for line in lines if line["request_id"] == "mine"]
    assert sorted(states) == ["done", "received", "running"]


def test_nothing_of_the_engine_runs_before_there_is_a_job(live: LiveGateway) -> None:
    live.detect()
    assert not (live.servers[0].state / "jobs").exists()
    assert live.gateway.jobs.engine.desk is None
