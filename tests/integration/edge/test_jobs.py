"""Jobs through nginx, before a real server."""

from __future__ import annotations

import time
from typing import Any

import psutil
import pytest
from edge_fixture import LiveEdge
from integration.edge.test_processes import processes
from integration.edge.test_progress import SAMPLE, outcomes, told, wait_for

from benchmarks.cancelling import stage_of
from benchmarks.footage import footage
from outofsync.progress import Step
from outofsync_client.protocol import DEBLUR, model_of
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


@pytest.mark.parametrize("step", list(Step))
def test_a_cancelled_job_frees_the_server(edge: LiveEdge, step: Step) -> None:
    name = f"cancelled-at-{step}"
    folder = edge.servers[0].folder
    video = footage(30.0, 640, 480)
    job = submit(edge, video, name)
    order = list(Step)
    with edge.ask("GET", f"{job}/events", stream=True) as response:
        events = told(response)
        assert next(events)[0] == "progress"
        # The server's own word, which is there before its gateway looks.
        while (now := stage_of(folder.path)[0]) == "" or order.index(Step(now)) < order.index(step):
            time.sleep(0.001)
        assert edge.ask("DELETE", job).json()["state"] == "cancelled"
        assert list(events)[-1] == ("end", {"state": "cancelled"})
    wait_for(lambda: not is_at_work(folder.temporary_link))
    assert edge.ask("GET", job).json()["state"] == "cancelled"
    assert not list((folder.temporary_link / "clips").iterdir())
    wait_for(lambda: outcomes(edge, name))
    code, at = outcomes(edge, name)[-1]
    if step is not Step.SCORE or code:  # the last step may be over before its server looks
        assert code == "cancelled"
        assert order.index(Step(at)) >= order.index(step)


def test_a_job_outlives_its_gateway_and_its_workers(edge: LiveEdge) -> None:
    expected = without_times(edge.ask("POST", "/v1/detect", files=form(SAMPLE)).json())
    job = submit(edge, SAMPLE, "killed")
    with edge.ask("GET", f"{job}/events", stream=True) as response:
        events = told(response)
        while next(events)[1].get("stage") != Step.DEBLUR:
            pass
        for worker in edge.servers[0].workers()[model_of(DEBLUR)]:
            psutil.Process(worker).kill()
        (gateway,) = processes(edge.settings, "-m gateway --settings")
        gateway.kill()
    wait_for(lambda: edge.ask("GET", job).status_code == 200)
    found = ended(edge, job)
    assert found["state"] == "done"
    assert found["attempts"] > 1
    assert without_times(found["result"]) == expected


def test_pieces_go_through_nginx_and_become_a_job(edge: LiveEdge) -> None:
    tus = {"Tus-Resumable": "1.0.0"}
    begun = edge.ask("POST", "/v1/uploads", headers={**tus, "Upload-Length": str(len(SAMPLE))})
    place, half = begun.headers["location"], len(SAMPLE) // 2
    for start, piece in ((0, SAMPLE[:half]), (half, SAMPLE[half:])):
        headers = {**tus, "Upload-Offset": str(start), "Content-Type": "application/offset+octet-stream"}
        assert edge.ask("PATCH", place, data=piece, headers=headers).status_code == 204
    assert edge.ask("HEAD", place, headers=tus).headers["upload-offset"] == str(len(SAMPLE))
    taken = edge.ask("POST", f"/v1/jobs?upload={place.rsplit('/', 1)[1]}")
    assert taken.status_code == 202, taken.text
    found = ended(edge, str(taken.headers["location"]))
    assert without_times(found["result"]) == without_times(edge.detect(SAMPLE).json())
