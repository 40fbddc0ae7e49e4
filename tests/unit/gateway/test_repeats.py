"""A server that dies, fills up or changes its token costs a caller time, not the answer."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from starlette.responses import Response
from unit.gateway.conftest import (
    RESULT,
    LiveGateway,
    MakeGateway,
    judged,
    said,
    torchserve_error,
)

EXECUTING = torchserve_error(500, "InternalServerException", "Error executing deepfake__ensemble")
DIED = torchserve_error(507, "InternalServerException", "Worker died.")
LARGE = bytes(range(256)) * 20_000


def failing_first(count: int, answer: Response) -> Any:
    left = [count]

    def reply(path: str, body: bytes) -> Response:
        left[0] -= 1
        return answer if left[0] >= 0 else judged(path, body)

    return reply


def test_a_request_whose_worker_died_is_sent_again_whole(live: LiveGateway) -> None:
    live.servers[0].answer = failing_first(2, EXECUTING)
    assert live.detect(LARGE).json() == RESULT
    assert [body for _, _, body in live.servers[0].asked] == [LARGE] * 3
    assert live.metric("outofsync_retries_total", server="1", reason="worker_died") == 2


def test_a_request_that_ends_every_worker_is_not_sent_for_ever(live: LiveGateway) -> None:
    live.servers[0].answer = failing_first(
        99, torchserve_error(507, "InternalServerException", "Worker died.")
    )
    assert live.detect().status_code == 500
    assert len(live.servers[0].asked) == 3


def test_work_that_took_too_long_is_not_begun_again(make_gateway: MakeGateway) -> None:
    live = make_gateway(repeat_s=0.0)
    live.servers[0].answer = failing_first(1, EXECUTING)
    assert live.detect().status_code == 500
    assert len(live.servers[0].asked) == 1


def test_another_server_takes_over_from_one_that_is_gone(make_gateway: MakeGateway) -> None:
    live = make_gateway(servers=2, health_s=30.0)
    gone = live.servers[0]
    gone.url = "http://127.0.0.1:1"
    gone.publish()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: live.detect(LARGE).status_code, range(8)))
    assert answers == [200] * 8
    assert len(live.servers[1].asked) == 8
    assert not live.gateway.pool.servers[0].up


def test_a_server_that_starts_anew_is_waited_for(make_gateway: MakeGateway) -> None:
    live = make_gateway()
    (live.servers[0].state / "server.json").unlink()
    back = threading.Timer(1.0, live.servers[0].publish)
    back.start()
    assert live.detect().json() == RESULT
    back.join()


def test_a_server_that_was_away_for_a_moment_that_nobody_noticed_is_waited_for(
    make_gateway: MakeGateway,
) -> None:
    live = make_gateway(patience_s=3600.0)
    (live.servers[0].state / "server.json").unlink()
    back = threading.Timer(0.2, live.servers[0].publish)
    back.start()
    assert live.detect().json() == RESULT
    back.join()


def test_without_any_server_the_caller_is_told_to_come_back(make_gateway: MakeGateway) -> None:
    live = make_gateway(patience_s=0.2)
    (live.servers[0].state / "server.json").unlink()
    response = live.detect()
    assert (response.status_code, response.json()["error"]["code"]) == (503, "busy")
    assert int(response.headers["Retry-After"]) > 0
    while live.gateway.pool.servers[0].up:
        time.sleep(0.05)
    assert live.ask("GET", "/v1/health").status_code == 503


def test_a_changed_token_costs_nobody_an_answer(live: LiveGateway) -> None:
    assert live.detect().status_code == 200
    live.servers[0].token = "another"
    live.servers[0].publish()
    assert live.detect().status_code == 200


def test_a_full_gateway_says_when_to_return(make_gateway: MakeGateway) -> None:
    live = make_gateway(in_flight=2, queue_s=0.3)
    release = threading.Event()

    def slow(_path: str, _body: bytes) -> Response:
        release.wait(20)
        return said(RESULT)

    live.servers[0].answer = slow
    with ThreadPoolExecutor(3) as pool:
        under_way = [pool.submit(live.detect) for _ in range(2)]
        while len(live.servers[0].asked) < 2:
            time.sleep(0.01)
        refused = live.detect()
        release.set()
        assert [future.result().status_code for future in under_way] == [200, 200]
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "busy")
    assert "Retry-After" in refused.headers
    assert live.metric("outofsync_server_in_progress", server="1") == 0


def test_an_answer_that_never_comes_is_a_timeout_and_asked_for_once(make_gateway: MakeGateway) -> None:
    live = make_gateway(answer_s=0.3)
    release = threading.Event()

    def late(_path: str, _body: bytes) -> Response:
        release.wait(20)
        return said(RESULT)

    live.servers[0].answer = late
    response = live.detect()
    release.set()
    assert (response.status_code, response.json()["error"]["code"]) == (504, "timeout")
    assert len(live.servers[0].asked) == 1


def test_the_server_hears_the_first_bytes_before_the_last_are_sent(live: LiveGateway) -> None:
    def body() -> Any:
        yield b"first"
        assert live.servers[0].first_bytes.wait(20), "the upload was held back"
        yield b"last"

    response = live.ask("POST", "/v1/detect", content=body())
    assert response.status_code == 200
    assert live.servers[0].asked[0][2] == b"firstlast"


def test_an_upload_cut_short_under_a_dead_server_begins_anew_elsewhere(make_gateway: MakeGateway) -> None:
    """The first server is gone before the upload is complete; the second hears all of it."""
    live = make_gateway(servers=2, health_s=30.0)
    live.servers[0].url = "http://127.0.0.1:1"
    live.servers[0].publish()

    def body() -> Any:
        for piece in range(50):
            yield bytes([piece]) * 10_000

    assert live.ask("POST", "/v1/detect", content=body()).status_code == 200
    assert live.servers[1].asked[0][2] == b"".join(bytes([piece]) * 10_000 for piece in range(50))


@pytest.mark.parametrize("said_length", [True, False])
def test_a_body_beyond_the_limit_is_refused(make_gateway: MakeGateway, said_length: bool) -> None:
    live = make_gateway(request_bytes=1_000_000)

    def body() -> Any:
        for _ in range(30):
            yield bytes(100_000)

    try:
        response = live.ask("POST", "/v1/detect", content=bytes(3_000_000) if said_length else body())
    except (httpx.WriteError, httpx.ReadError):  # refused while it was still sending
        return
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")


def test_a_caller_who_hangs_up_frees_the_place(live: LiveGateway) -> None:
    release = threading.Event()

    def slow(_path: str, _body: bytes) -> Response:
        release.wait(20)
        return said(RESULT)

    live.servers[0].answer = slow
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{live.url}/v1/detect", content=b"video", headers={"X-Api-Key": live.key}, timeout=0.5)
    deadline = time.monotonic() + 20
    while live.metric("outofsync_server_in_progress", server="1") and time.monotonic() < deadline:
        time.sleep(0.05)
    release.set()
    assert live.metric("outofsync_server_in_progress", server="1") == 0
    assert live.metric("outofsync_http_requests_total", route="/v1/detect", status="499", code="hung_up") == 1


def test_without_a_disk_a_request_goes_on_and_is_counted(
    live: LiveGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gateway.upload.tempfile.TemporaryFile", full)
    assert live.detect(LARGE).json() == RESULT
    assert live.servers[0].asked[0][2] == LARGE
    assert live.metric("outofsync_uploads_unrepeatable_total") == 1
