"""What callers hear: results, envelopes with their status, and nothing that is TorchServe's own."""

from __future__ import annotations

import logging

import pytest
from starlette.responses import Response
from unit.gateway.conftest import RESULT, LiveGateway, said, torchserve_error

from outofsync.errors import ErrorCode, OutOfSyncError, Stage

NO_WORKER = 'Model "deepfake__deblur" has no worker to serve inference request.'


def test_a_result_passes_through(live: LiveGateway) -> None:
    response = live.detect(headers={"X-OutOfSync-Request-Id": "my-request"})
    assert (response.status_code, response.json()) == (200, RESULT)
    assert response.headers["X-OutOfSync-Request-Id"] == "my-request"
    assert response.headers["Cache-Control"] == "no-store"
    path, headers, body = live.servers[0].asked[0]
    assert (path, body) == ("/wfpredict/deepfake", b"video")
    assert headers["x-outofsync-request-id"] == "my-request"


def test_nothing_but_what_is_known_reaches_a_server(live: LiveGateway) -> None:
    sent = {
        "explain": "True",
        "Cookie": "a=b",
        "data": "x",
        "X-Forwarded-For": "1.2.3.4",
        "Idempotency-Key": "k",
    }
    live.detect(headers=sent)
    _, headers, _ = live.servers[0].asked[0]
    assert not {"explain", "cookie", "data", "x-forwarded-for", "x-api-key"} & set(headers)
    assert headers["idempotency-key"] == "k"
    assert live.key not in str(headers)


@pytest.mark.parametrize("given", ["", "with space", "x" * 65, "ü"])
def test_a_request_id_that_could_harm_a_log_is_replaced(live: LiveGateway, given: str) -> None:
    response = live.detect(headers={b"X-OutOfSync-Request-Id": given.encode()})
    assert len(response.headers["X-OutOfSync-Request-Id"]) == 32


@pytest.mark.parametrize("code", [code for code in ErrorCode if code is not ErrorCode.BUSY])
def test_an_error_has_its_own_status(live: LiveGateway, code: ErrorCode) -> None:
    sent = OutOfSyncError(code, "What happened.", stage=Stage.DECODE).to_dict("the-servers")
    live.servers[0].answer = lambda *_: said({"error": sent})
    response = live.detect(headers={"X-OutOfSync-Request-Id": "mine"})
    assert response.status_code == sent["status"]
    assert response.json() == {"error": {**sent, "request_id": "mine"}}
    assert len(live.servers[0].asked) == 1, "what lasts is not asked again"


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (torchserve_error(413, "", ""), 413, "too_large"),
        (torchserve_error(503, "ServiceUnavailableException", NO_WORKER), 503, "busy"),
        (torchserve_error(500, "InternalServerException", NO_WORKER), 503, "busy"),
        (
            torchserve_error(500, "InternalServerException", "Error executing deepfake__deblur"),
            500,
            "internal",
        ),
        (torchserve_error(507, "InternalServerException", "Worker died."), 500, "internal"),
        (torchserve_error(404, "WorkflowNotFoundException", "not found"), 404, "not_deployed"),
        (said([1, 2]), 500, "internal"),
    ],
)
def test_torchserves_own_words_become_envelopes(
    live: LiveGateway, answer: Response, status: int, code: str
) -> None:
    live.servers[0].answer = lambda *_: answer
    response = live.detect()
    assert response.status_code == status
    error = response.json()["error"]
    assert (error["code"], error["status"], error["stage"]) == (code, status, "edge")
    assert error["message"]
    assert error["hint"]
    assert ("Retry-After" in response.headers) == (status == 503)


def test_older_systems_hear_what_they_know(live: LiveGateway) -> None:
    response = live.ask("POST", "/detect", files={"file": ("a.mp4", b"video")})
    known = ("score", "label", "verdict", "probability_fake", "id")
    named = {"request_id": response.headers["X-OutOfSync-Request-Id"]}
    assert response.json() == {name: RESULT[name] for name in known} | named


def test_a_deblurred_video_comes_back(live: LiveGateway) -> None:
    live.servers[0].answer = lambda *_: Response(b"\x00\x00ftyp", media_type="video/mp4")
    response = live.ask("POST", "/v1/deblur", content=b"blurry")
    assert response.content == b"\x00\x00ftyp"
    assert response.headers["Content-Type"] == "video/mp4"
    assert live.servers[0].asked[0][0] == "/predictions/deblur"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/detect", 405, "method_not_allowed"),
        ("POST", "/v1/health", 405, "method_not_allowed"),
        ("POST", "/wfpredict/deepfake", 404, "not_found"),
        ("GET", "/models", 404, "not_found"),
        ("GET", "/metrics", 404, "not_found"),
    ],
)
def test_other_addresses_are_refused(
    live: LiveGateway, method: str, path: str, status: int, code: str
) -> None:
    response = live.ask(method, path)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert response.json()["error"]["request_id"] == response.headers["X-OutOfSync-Request-Id"]
    assert ("Allow" in response.headers) == (status == 405)


def test_health_needs_no_key_and_tells_no_secret(live: LiveGateway) -> None:
    response = live.ask("GET", "/v1/health", key="")
    assert response.json() == {"status": "ready", "servers": [{"server": "1", "ready": True}]}


def test_models_are_listed_without_where_they_lie(live: LiveGateway) -> None:
    node = {"version": "1.0", "archive": "deblur.mar", "sha256": "ab"}
    live.servers[0].record(
        promoted="1.0", previous=None, canary=None, pipelines={"1.0": {"deblur": node, "ensemble": node}}
    )
    listed = live.ask("GET", "/v1/models").json()["servers"][0]
    assert listed["promoted"] == "1.0"
    assert listed["pipelines"][0]["nodes"]["deblur"] == {"version": "1.0", "sha256": "ab"}
    assert live.ask("GET", "/v1/models", key="").status_code == 401


def test_nobody_forges_where_a_request_came_from(live: LiveGateway, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "gateway.access"):
        live.detect(headers={"X-Real-IP": "6.6.6.6"})
    entries = [getattr(record, "entry", {}) for record in caplog.records]
    assert [entry["peer"] for entry in entries if entry.get("route") == "/v1/detect"] == ["127.0.0.1"]
