"""A job's events and reports, for whoever handed it in."""

from __future__ import annotations

import json
import os
import threading
from typing import Any

import httpx
import pytest
from starlette.responses import Response
from unit.gateway.conftest import END_S, LOOPBACK, RESULT, LiveGateway, MakeGateway, said, wait_until

from gateway import keys

HEADER = "x-outofsync-progress"


def submit(live: LiveGateway, query: str = "") -> str:
    return str(live.ask("POST", f"/v1/jobs{query}", content=b"video").json()["id"])


def events(lines: str) -> list[tuple[str, dict[str, Any]]]:
    blocks = [block.split("\n") for block in lines.strip().split("\n\n") if block.startswith("event")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]


def test_events_tell_what_the_nodes_say_until_the_end(make_gateway: MakeGateway) -> None:
    live = make_gateway(prepare=lambda server: (server.state / "progress").mkdir())
    go_on = threading.Event()

    def answer(_path: str, _body: bytes) -> Response:
        assert go_on.wait(END_S)
        return said(RESULT)

    live.servers[0].answer = answer
    job = submit(live)
    wait_until(lambda: live.servers[0].asked)
    file = live.servers[0].state / "progress" / live.servers[0].asked[-1][1][HEADER]
    with file.open("r+b") as told:
        os.pwrite(told.fileno(), b"faces 0.250\n".ljust(32), 0)
    heard = ""
    headers = {"X-Api-Key": live.key}
    with httpx.stream("GET", f"{live.url}/v1/jobs/{job}/events", headers=headers, **LOOPBACK) as answered:
        assert answered.headers["content-type"].startswith("text/event-stream")
        for piece in answered.iter_text():
            heard += piece
            if '"faces"' in heard:
                go_on.set()
    told_of = events(heard)
    told_so_far = {"state": "running", "stage": "faces", "done": 0.25, "remaining_s": None, "segments": 0}
    assert ("progress", told_so_far) in told_of
    assert told_of[-1] == ("end", {"state": "done"})
    assert events(live.ask("GET", f"/v1/jobs/{job}/events").text) == [("end", {"state": "done"})]


def test_events_and_reports_are_for_the_key_that_handed_the_job_in(live: LiveGateway) -> None:
    job = submit(live)
    other = keys.add(live.keys, "other")
    for path in ("events", "report.json"):
        assert live.ask("GET", f"/v1/jobs/{job}/{path}", key=other).status_code == 404
        assert live.ask("GET", f"/v1/jobs/{job}/{path}", key="").status_code == 401
        assert live.ask("GET", f"/v1/jobs/{'0' * 32}/{path}").status_code == 404


def test_a_follower_ends_with_a_job_that_is_forgotten(live: LiveGateway) -> None:
    job = submit(live)
    live.ask("GET", f"/v1/jobs/{job}", headers={"Prefer": "wait=30"})
    assert live.ask("DELETE", f"/v1/jobs/{job}").status_code == 204
    assert live.ask("GET", f"/v1/jobs/{job}/events").json()["error"]["code"] == "not_found"


@pytest.mark.slow
def test_a_done_job_has_reports_named_after_its_file(live: LiveGateway) -> None:
    job = submit(live, "?file=talk.mp4")
    live.ask("GET", f"/v1/jobs/{job}", headers={"Prefer": "wait=30"})
    answer = live.ask("GET", f"/v1/jobs/{job}/report.json")
    assert answer.status_code == 200, answer.text
    assert 'filename="talk.json"' in answer.headers["content-disposition"]
    assert answer.json()["request"]["file"] == "talk.mp4"
    assert answer.json()["request"]["options"]["mode"] == "full"
    assert live.ask("GET", f"/v1/jobs/{job}/report.docx").status_code == 404


def test_a_job_without_a_result_has_no_report(live: LiveGateway) -> None:
    error = {"code": "no_audio", "status": 422, "stage": "decode", "message": "mute", "hint": "speak"}
    live.servers[0].answer = lambda *_: said({"error": {**error, "request_id": "x"}}, 422)
    job = submit(live)
    live.ask("GET", f"/v1/jobs/{job}", headers={"Prefer": "wait=30"})
    refused = live.ask("GET", f"/v1/jobs/{job}/report.html")
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "not_found")
    assert "failed" in refused.json()["error"]["message"]
