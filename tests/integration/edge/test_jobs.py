"""Jobs through nginx, before a real server."""

from __future__ import annotations

from typing import Any

import pytest
from edge_fixture import LiveEdge
from integration.edge.test_progress import LONG, SAMPLE, outcomes, told, wait_for

from outofsync.progress import Step
from serving.torchserve.draining import is_at_work

pytestmark = pytest.mark.server


def form(data: bytes) -> dict[str, Any]:
    return {"data": ("talk.mp4", data), "options": (None, '{"deblur": "always"}')}


def submit(edge: LiveEdge, data: bytes, name: str) -> str:
    headers = {"X-OutOfSync-Request-Id": name}
    answer = edge.ask("POST", "/v1/jobs?fresh=true", files=form(data), headers=headers)
    assert answer.status_code == 202, answer.text
    return str(answer.headers["location"])


def ended(edge: LiveEdge, job: str) -> dict[str, Any]:
    while True:
        values: dict[str, Any] = edge.ask("GET", job, headers={"Prefer": "wait=30"}).json()
        if values["ended"]:
            return values


def without_times(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name != "timing_ms"}


def test_a_job_finds_what_a_request_does(edge: LiveEdge) -> None:
    job = ended(edge, submit(edge, SAMPLE, "as-a-job"))
    assert job["state"] == "done"
    assert without_times(job["result"]) == without_times(
        edge.ask("POST", "/v1/detect", files=form(SAMPLE)).json()
    )
    listed = edge.ask("GET", "/v1/jobs?state=done&limit=1").json()["jobs"]
    assert [one["id"] for one in listed] == [job["id"]]
    assert edge.ask("GET", f"/v1/jobs/{job['id']}/report.csv").status_code == 200
    assert edge.ask("DELETE", f"/v1/jobs/{job['id']}").status_code == 204
    refused = edge.ask("PUT", f"/v1/jobs/{job['id']}")
    assert (refused.status_code, refused.headers["allow"]) == (405, "DELETE, GET, HEAD")


@pytest.mark.parametrize(("step", "data"), [(Step.FACES, LONG), (Step.DEBLUR, SAMPLE)])
def test_a_cancelled_job_frees_the_server(edge: LiveEdge, step: Step, data: bytes) -> None:
    name = f"cancelled-at-{step}"
    job = submit(edge, data, name)
    folder = edge.servers[0].folder
    with edge.ask("GET", f"{job}/events", stream=True) as response:
        events = told(response)
        while next(events)[1].get("stage") != step:
            pass
        assert edge.ask("DELETE", job).json()["state"] == "cancelled"
        assert list(events)[-1] == ("end", {"state": "cancelled"})
    wait_for(lambda: not is_at_work(folder.temporary_link))
    wait_for(lambda: outcomes(edge, name))
    assert outcomes(edge, name)[-1][0] == "cancelled"
    assert edge.ask("GET", job).json()["state"] == "cancelled"
