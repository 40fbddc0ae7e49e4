"""Two gateways that share their jobs by a PostgreSQL server: whatever one of them takes, the other knows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from benchmarks.jobs_scene import Scene, scene
from benchmarks.postgres import missing

pytestmark = pytest.mark.skipif(missing() is not None, reason=missing() or "")

WAIT = {"Prefer": "wait=30"}


@pytest.fixture(scope="module")
def stage() -> Iterator[Scene]:
    with scene(gateways=2, postgres=True, seconds=1.0) as made:
        (made.state / "pipelines.json").write_text(json.dumps({"promoted": "one"}))
        yield made


@pytest.fixture
def both(stage: Scene) -> Iterator[list[httpx.Client]]:
    made = [httpx.Client(base_url=url, timeout=60, trust_env=False) for url in stage.urls]
    yield made
    for client in made:
        client.close()


def ended(client: httpx.Client, job: str) -> dict[str, Any]:
    while True:
        values: dict[str, Any] = client.get(f"/v1/jobs/{job}", headers=WAIT).json()
        if values["ended"]:
            return values


def submit(client: httpx.Client, body: bytes) -> dict[str, Any]:
    answer = client.post("/v1/jobs", content=body)
    assert answer.status_code == 202, answer.text
    values: dict[str, Any] = answer.json()
    return values


def test_a_job_of_one_is_answered_by_the_other(both: list[httpx.Client]) -> None:
    here, there = both
    job = submit(here, b"video")
    done = ended(there, job["id"])
    assert (done["state"], done["result"]["id"]) == ("done", job["sha256"])
    assert [one["id"] for one in there.get("/v1/jobs?state=done").json()["jobs"]] == [job["id"]]
    again = submit(there, b"video")
    assert (again["state"], again["answered_by"]) == ("done", job["id"])
    assert there.delete(f"/v1/jobs/{job['id']}").status_code == 204
    assert here.get(f"/v1/jobs/{job['id']}").status_code == 404


def test_a_job_of_one_is_followed_and_cancelled_at_the_other(both: list[httpx.Client]) -> None:
    here, there = both
    jobs = [submit(here, b"%d" % number) for number in range(4)]
    for job in jobs:
        seen = ""
        with there.stream("GET", f"/v1/jobs/{job['id']}/events") as events:
            for piece in events.iter_text():
                seen += piece
                if '"running"' in seen and '"end"' not in seen and "cancelled" not in seen:
                    there.delete(f"/v1/jobs/{job['id']}")
        assert 'event: end\ndata: {"state": ' in seen
    states = {ended(here, job["id"])["state"] for job in jobs}
    assert "cancelled" in states
    assert states <= {"cancelled", "done"}


def test_jobs_share_the_work(both: list[httpx.Client], stage: Scene) -> None:
    jobs = [submit(both[number % 2], b"shared %d" % number)["id"] for number in range(24)]
    for job in jobs:
        assert ended(both[0], job)["state"] == "done"
    began = [
        sum(entry.get("event") == "job" and entry["state"] == "running" for entry in map(json.loads, lines))
        for lines in (log.read_text().splitlines() for log in stage.logs)
    ]
    assert min(began) > 0, began
