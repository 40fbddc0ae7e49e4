"""What is known of a job while it runs: the segments that are scored, and how long the rest takes."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from unit.gateway.conftest import LiveGateway, MakeGateway, said, tell_amounts, wait_until
from unit.gateway.jobs.conftest import Gate
from unit.gateway.jobs.test_routes import ended, get, submit

from gateway import job_worker
from gateway.jobs.tables import FILE, JOBS
from gateway.pace import PRIOR_S
from outofsync.progress import COUNTED, Amount, Progress, Step

HEADER = "x-outofsync-progress"


def segment(start: float, *, preliminary: bool = True) -> dict[str, Any]:
    found = {"track": 0, "score": 1.5, "probability_fake": 0.25, "peak_delay": 0}
    return {"start": start, "end": start + 2.0, **found, "preliminary": preliminary}


@pytest.fixture
def live(make_gateway: MakeGateway, monkeypatch: pytest.MonkeyPatch) -> LiveGateway:
    monkeypatch.setattr(job_worker, "FOLLOW_S", 0.01)
    monkeypatch.setattr(job_worker, "SEGMENTS_S", 0.01)
    return make_gateway(prepare=lambda server: (server.state / "progress").mkdir())


def node(live: LiveGateway) -> Progress:
    """What the server has to tell of the last request."""
    server = live.servers[0]
    return Progress.open(server.state / "progress", server.asked[-1][1][HEADER])


def begun(live: LiveGateway) -> tuple[dict[str, Any], Progress]:
    before = len(live.servers[0].asked)
    job = submit(live)
    wait_until(lambda: len(live.servers[0].asked) > before)
    return job, node(live)


def column(live: LiveGateway, name: str) -> Any:
    engine = sa.create_engine(f"sqlite:///{live.servers[0].state / 'jobs' / FILE}")
    with engine.connect() as connection:
        found = connection.scalar(sa.select(JOBS.c[name]))
    engine.dispose()
    return found


def test_segments_grow_while_a_job_runs_and_are_gone_with_it(live: LiveGateway, gate: Gate) -> None:
    job, told = begun(live)
    told.tell(Step.COMPARE, 0.1)
    assert get(live, job)["segments"] == []
    told.segments.tell([segment(0.0)])
    wait_until(lambda: get(live, job)["segments"] == [segment(0.0)])
    told.segments.tell([segment(2.0), segment(0.0, preliminary=False)])
    wait_until(lambda: get(live, job)["segments"] == [segment(0.0, preliminary=False), segment(2.0)])
    assert "segments" not in live.ask("GET", "/v1/jobs").json()["jobs"][0]
    told.segments.tell([segment(1.0)], anew=True)
    wait_until(lambda: get(live, job)["segments"] == [segment(1.0)])
    assert column(live, "scored") == 1
    gate.open.set()
    done = ended(live, job)
    assert (done["state"], "segments" in done) == ("done", False)
    assert column(live, "segments") is column(live, "scored") is column(live, "remaining_s") is None
    assert not list((live.servers[0].state / "progress").iterdir())


@pytest.mark.usefixtures("gate")
def test_a_cancelled_job_keeps_none(live: LiveGateway) -> None:
    job, told = begun(live)
    told.segments.tell([segment(0.0)])
    wait_until(lambda: get(live, job)["segments"])
    assert live.ask("DELETE", f"/v1/jobs/{job['id']}").json()["state"] == "cancelled"
    wait_until(lambda: not list((live.servers[0].state / "progress").iterdir()))
    assert column(live, "segments") is None


def test_what_is_begun_anew_begins_with_none(live: LiveGateway, gate: Gate) -> None:
    job, told = begun(live)
    told.segments.tell([segment(0.0)])
    wait_until(lambda: get(live, job)["segments"])
    dead = {"code": 500, "type": "WorkerDied", "message": "Worker died."}
    second = Gate()
    live.servers[0].answer = second.answer
    gate.answered, gate.status = dead, 500
    gate.open.set()
    wait_until(lambda: len(live.servers[0].asked) > 1)
    wait_until(lambda: get(live, job)["segments"] == [])
    live.ask("DELETE", f"/v1/jobs/{job['id']}")
    second.open.set()


def test_how_long_the_rest_takes_is_in_the_job(live: LiveGateway, gate: Gate) -> None:
    job, _ = begun(live)
    assert get(live, job)["remaining_s"] is None
    file = live.servers[0].state / "progress" / live.servers[0].asked[-1][1][HEADER]
    slower = 0.01 / PRIOR_S[Step.SCORE]  # than the machine that was measured, in every step
    before = [Amount(slower * PRIOR_S[step] * 1000, 1000, 1000) for step in COUNTED[:-1]]
    tell_amounts(file, Step.SCORE, 0.25, [*before, Amount(10, 1000, 4000)])
    wait_until(lambda: get(live, job)["remaining_s"])
    assert live.ask("GET", "/v1/jobs").json()["jobs"][0]["remaining_s"] == pytest.approx(30, rel=0.1)
    gate.open.set()
    assert ended(live, job)["remaining_s"] is None


def test_who_waits_for_his_answer_makes_nobody_score_early(live: LiveGateway) -> None:
    def answer(_path: str, _body: bytes) -> Any:
        assert not node(live).segments.wanted
        return said({"id": "x", "verdict": "real"})

    live.servers[0].answer = answer
    assert live.detect().status_code == 200
