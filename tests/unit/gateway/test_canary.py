"""A pipeline on trial gets its share, or judges in the shadow; it never costs a caller the answer."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from typing import Any

import pytest
from starlette.responses import Response
from unit.gateway.conftest import END_S, RESULT, LiveGateway, MakeGateway, said, torchserve_error, wait_until

from gateway.pipelines import Canary, Pipeline, parse_routing

CLIP = b'{"spooled": ["name", 0, 10]}'
FAKE = {**RESULT, "verdict": "fake", "probability_fake": 0.9}
PIPELINES = {
    "1.0": {"deblur": {"version": "1.0"}, "ensemble": {"version": "1.0"}},
    "2.0": {"deblur": {"version": "1.0"}, "ensemble": {"version": "2.0"}},
}


def by_path(path: str, body: bytes) -> Response:
    """The workflow says real; pipeline 2.0, node by node, fake."""
    if path == "/wfpredict/deepfake":
        return said(RESULT)
    if path == "/predictions/deepfake__deblur/1.0":
        assert body == b"video"
        return Response(CLIP)
    assert path == "/predictions/deepfake__ensemble/2.0"
    assert body == CLIP
    return said(FAKE)


def try_out(live: LiveGateway, share: float, *, shadow: bool) -> None:
    live.servers[0].answer = by_path
    canary = {"pipeline": "2.0", "share": share, "shadow": shadow}
    live.servers[0].record(promoted="1.0", previous=None, canary=canary, pipelines=PIPELINES)


@pytest.mark.slow
def test_a_canary_gets_its_share(live: LiveGateway) -> None:
    try_out(live, 0.3, shadow=False)
    answers = [live.detect(headers={"X-OutOfSync-Request-Id": f"request-{n}"}) for n in range(100)]
    counted = Counter(
        (answer.headers["X-OutOfSync-Pipeline"], answer.json()["verdict"]) for answer in answers
    )
    assert set(counted) == {("1.0", "real"), ("2.0", "fake")}
    assert 15 <= counted["2.0", "fake"] <= 45
    assert (
        live.metric("outofsync_pipeline_requests_total", pipeline="2.0", role="canary")
        == counted["2.0", "fake"]
    )


def test_the_same_request_goes_the_same_way(live: LiveGateway) -> None:
    try_out(live, 0.5, shadow=False)
    for number in range(5):
        ways = {
            live.detect(headers={"X-OutOfSync-Request-Id": f"r{number}"}).headers["X-OutOfSync-Pipeline"]
            for _ in range(3)
        }
        assert len(ways) == 1


def test_a_canary_that_breaks_costs_nobody_the_answer(live: LiveGateway) -> None:
    try_out(live, 1.0, shadow=False)

    def broken(path: str, body: bytes) -> Response:
        if path.startswith("/predictions"):
            return torchserve_error(507, "InternalServerException", "Worker died.")
        return by_path(path, body)

    live.servers[0].answer = broken
    answer = live.detect()
    assert (answer.status_code, answer.headers["X-OutOfSync-Pipeline"]) == (200, "1.0")
    assert live.metric("outofsync_retries_total", server="1", reason="canary_worker_died") == 1


def test_a_bad_file_is_the_files_fault(live: LiveGateway) -> None:
    try_out(live, 1.0, shadow=False)
    error = {"code": "no_audio", "status": 422, "stage": "probe", "message": "No.", "hint": "x"}
    live.servers[0].answer = lambda path, _: Response(CLIP) if "deblur" in path else said({"error": error})
    assert live.detect().status_code == 422
    assert [path for path, _, _ in live.servers[0].asked] == [
        "/predictions/deepfake__deblur/1.0",
        "/predictions/deepfake__ensemble/2.0",
    ]


def shadow_lines(live: LiveGateway, count: int) -> list[dict[str, Any]]:
    path = live.servers[0].state / "shadow.jsonl"
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        lines = path.read_text().splitlines() if path.exists() else []
        if len(lines) >= count:
            return [json.loads(line) for line in lines]
        time.sleep(0.05)
    raise AssertionError("nothing was compared")


def test_in_the_shadow_callers_hear_the_promoted_pipeline(live: LiveGateway) -> None:
    try_out(live, 1.0, shadow=True)
    answer = live.detect(headers={"X-OutOfSync-Request-Id": "compared"})
    assert (answer.json()["verdict"], answer.headers["X-OutOfSync-Pipeline"]) == ("real", "1.0")
    (line,) = shadow_lines(live, 1)
    assert (line["request_id"], line["id"]) == ("compared", RESULT["id"])
    assert line["promoted"] == {"pipeline": "1.0", "verdict": "real", "probability_fake": 0.1, "score": 1.0}
    assert line["candidate"] == {"pipeline": "2.0", "verdict": "fake", "probability_fake": 0.9, "score": 1.0}
    assert live.metric("outofsync_shadow_comparisons_total", pipeline="2.0", agrees="false") == 1
    assert live.metric("outofsync_shadow_probability_difference_sum", pipeline="2.0") == pytest.approx(0.8)


def test_a_shadow_that_breaks_is_written_down(live: LiveGateway) -> None:
    try_out(live, 1.0, shadow=True)

    def broken(path: str, _body: bytes) -> Response:
        return said({"code": 404}, 404) if path.startswith("/predictions") else said(RESULT)

    live.servers[0].answer = broken
    assert live.detect().status_code == 200
    (line,) = shadow_lines(live, 1)
    assert line["candidate"]["verdict"] == "error:not_deployed"


def test_comparisons_and_callers_share_the_limit_of_a_server(make_gateway: MakeGateway) -> None:
    live = make_gateway(in_flight=1, queue_s=0.1)
    try_out(live, 1.0, shadow=True)
    finish = threading.Event()

    def slow_on_trial(path: str, body: bytes) -> Response:
        if path.startswith("/predictions"):
            finish.wait(END_S)
        return by_path(path, body)

    live.servers[0].answer = slow_on_trial
    assert live.detect().status_code == 200
    wait_until(lambda: len(live.servers[0].asked) == 2)
    assert live.metric("outofsync_server_in_progress", server="1") == 1
    refused = live.detect()
    finish.set()
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "busy")
    shadow_lines(live, 1)
    wait_until(lambda: not live.metric("outofsync_server_in_progress", server="1"))
    assert live.detect().status_code == 200


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_nobody_and_everybody_are_shares_too(share: float) -> None:
    canary = Canary(Pipeline("2.0", "1", "2"), share, shadow=False)
    assert {canary.includes(str(number)) for number in range(200)} == {bool(share)}


@pytest.mark.parametrize(
    "record",
    [{}, {"canary": 1}, {"canary": {"pipeline": "9"}}, {"canary": {"pipeline": "2.0", "share": "x"}}],
)
def test_a_record_that_makes_no_sense_has_no_canary(record: dict[str, Any]) -> None:
    assert parse_routing({"promoted": "1.0", "pipelines": PIPELINES, **record}).canary is None
