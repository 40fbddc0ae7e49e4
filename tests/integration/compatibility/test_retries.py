"""What is sent again through a bad connection, when, and whole; and what is not."""

from __future__ import annotations

import asyncio
import io
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from fault_proxy import CutAnswer, Fault, FaultProxy, Reset, Say, Silence, answer
from integration.compatibility.doors import ONE_TRY, PATIENCE_S, Site, error_of, repetitions
from integration.compatibility.troubles import (
    AT_ONCE,
    BIG,
    DIED,
    HALF,
    HEADER,
    LOST,
    NO_WORKER,
    PLAIN,
    VIDEO,
    at_the_first_wait,
    behind,
    edge_error,
    identities,
    judge,
    lasting,
    torchserve_error,
)
from media_factory import Media
from under_load import wait_for

import outofsync_client as oos
from outofsync_client import AsyncClient, Client, Result, Retries, Timeouts

pytestmark = pytest.mark.server

PATIENT = Retries(attempts=50, longest_wait=2.0)
PASSING: dict[str, tuple[Fault, str]] = {
    **{name: (fault, "connection_lost") for name, fault in LOST.items()},
    "no HTTP at all": (Say(b"\x00\x01garbage\r\n\r\n"), "connection_lost"),
    "too many requests": (edge_error("busy", 429), "busy"),
    "too many requests, and not in our words": (answer(429), "busy"),
    "busy": (edge_error("busy", 503), "busy"),
    "busy, and not in our words": (answer(503, b"<html>"), "busy"),
    "a full queue": (NO_WORKER, "busy"),
    "no memory for uploads": (torchserve_error(507, "OutOfMemoryError", "Cannot reserve memory"), "busy"),
    "a dead worker": (DIED, "worker_died"),
    "a gateway alone": (answer(502, b"<html>"), "unreachable"),
    "a gateway that waited in vain": (answer(504), "timeout"),
}
LASTING: dict[str, tuple[Fault, type[oos.OutOfSyncError]]] = {
    "a fault of the server's own": (edge_error("internal", 500), oos.InternalError),
    "too large": (answer(413), oos.TooLargeError),
    "nothing there": (torchserve_error(404, "WorkflowNotFoundException", "Not found"), oos.NotDeployedError),
    "asked in another way": (answer(405), oos.MethodNotAllowedError),
    "no answer of a detector": (answer(200, b"<html>"), oos.UnexpectedAnswerError),
    "sent elsewhere": (answer(307, Location="/elsewhere"), oos.UnexpectedAnswerError),
    "a refused key": (answer(401), oos.AuthenticationError),
    "a key without this right": (answer(403), oos.AuthenticationError),
}


@pytest.mark.parametrize(
    ("door", "name"),
    [*(("token", name) for name in PASSING), *(("gateway", name) for name in (*LOST, "busy"))],
)
def test_what_passes_is_sent_again_whole_and_under_the_same_names(
    site: Site, expected: dict[str, object], caplog: pytest.LogCaptureFixture, door: str, name: str
) -> None:
    fault, code = PASSING[name]
    file = io.BytesIO(HEADER + BIG)
    file.seek(len(HEADER))
    with behind(site, door, fault, fault) as (client, proxy):
        assert lasting(judge(client, file)) == expected
        asked = proxy.asked
        assert len(proxy.connections) == 3
    assert repetitions(caplog) == [(code, 1, 0.0), (code, 2, 0.0)]
    assert len(identities(asked)) == 1
    whole = [one for one in asked if len(one.body) == int(one.headers["content-length"])]
    assert len(whole) == (1 if name in ("before the request", "in the midst of the upload") else 3)
    assert all(one.fields["data"] == BIG for one in whole)
    assert {one.fields["options"] for one in whole} == {b'{"deblur": "never", "mode": "reference"}'}


@pytest.mark.parametrize("door", PLAIN)
def test_an_answer_that_is_cut_short_within_its_head_is_asked_for_again(
    site: Site, expected: dict[str, object], caplog: pytest.LogCaptureFixture, door: str
) -> None:
    with behind(site, door, CutAnswer(len(BIG), 20)) as (client, proxy):
        assert lasting(judge(client)) == expected
        assert len(proxy.connections) == 2
    assert repetitions(caplog) == [("connection_lost", 1, 0.0)]


@pytest.mark.parametrize("door", [*PLAIN, "edge"])
def test_a_connection_that_is_broken_as_it_is_made_is_made_anew(
    site: Site, expected: dict[str, object], caplog: pytest.LogCaptureFixture, door: str
) -> None:
    with behind(site, door, Reset()) as (client, proxy):
        assert lasting(judge(client)) == expected
        assert len(proxy.connections) == 2
    ((code, *_),) = repetitions(caplog)
    assert code in ("unreachable", "connection_lost"), "whether it stood already is a matter of chance"


@pytest.mark.parametrize("name", LOST)
def test_a_connection_to_the_edge_that_breaks_is_made_anew(
    site: Site, expected: dict[str, object], caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """Within TLS, of which the proxy sees nothing but bytes."""
    caplog.set_level(logging.INFO, "outofsync_client")
    fault = LOST[name]
    file = io.BytesIO(HEADER + BIG)
    file.seek(len(HEADER))
    with behind(site, "edge", fault) as (client, proxy):
        assert lasting(judge(client, file)) == expected
        assert len(proxy.connections) == 2
    assert repetitions(caplog) == [("connection_lost", 1, 0.0)]
    (request_id,) = {vars(record)["request_id"] for record in caplog.records if "request_id" in vars(record)}
    times = 1 if name == "before the request" else 2
    wait_for(lambda: site.edge.log("access.log").count(request_id) == times)


def test_nobody_listens_at_first(
    site: Site, expected: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    for door in (*PLAIN, "edge"):
        caplog.clear()
        with (
            FaultProxy(site.url(door), listens=False) as proxy,
            Client(proxy.url, **site.keys(door), retries=AT_ONCE) as client,
            at_the_first_wait(proxy.listen),
        ):
            assert lasting(judge(client)) == expected
        assert repetitions(caplog) == [("unreachable", 1, 0.0)]


def test_an_async_client_sends_again_as_well(
    site: Site, expected: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    async def judged(url: str) -> Result:
        async with AsyncClient(url, **site.keys("token"), retries=AT_ONCE) as client:
            return await client.detect(BIG, mode="reference", deblur="never")

    with FaultProxy(site.url("token"), NO_WORKER, Reset(after=HALF)) as proxy:
        assert lasting(asyncio.run(judged(proxy.url))) == expected
        assert len(identities(proxy.asked)) == 1
    assert [code for code, *_ in repetitions(caplog)] == ["busy", "connection_lost"]


def test_deblurring_is_sent_again_as_well(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    for door in PLAIN:
        caplog.clear()
        with behind(site, door, edge_error("busy", 503), Reset(after=1)) as (client, proxy):
            assert client.deblur(VIDEO)[4:8] == b"ftyp"
            assert len(identities(proxy.asked)) == 1
        assert [code for code, *_ in repetitions(caplog)] == ["busy", "connection_lost"]


def test_progress_begins_anew_with_each_attempt(site: Site) -> None:
    heard: list[tuple[int, int]] = []

    def hear(sent: int, size: int) -> None:
        heard.append((sent, size))

    with behind(site, "token", Reset(after=HALF), NO_WORKER) as (client, _):
        client.detect(BIG, mode="reference", deblur="never", on_upload=hear)
    assert heard.count((0, len(BIG))) == 3
    assert heard[-1] == (len(BIG), len(BIG))


def test_another_request_has_another_id_and_the_same_work_the_same_key(site: Site) -> None:
    with behind(site, "token") as (client, proxy):
        for _ in range(2):
            judge(client, VIDEO)
        client.detect(VIDEO, mode="reference")
        first, second, other = proxy.asked
    names = [one.headers["x-outofsync-request-id"] for one in (first, second, other)]
    keys = [one.headers["idempotency-key"] for one in (first, second, other)]
    assert len(set(names)) == 3
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("door", PLAIN)
def test_nobody_returns_before_the_time_a_server_named(
    site: Site, caplog: pytest.LogCaptureFixture, door: str, status: int
) -> None:
    with behind(site, door, edge_error("busy", status, Retry_After="1")) as (client, proxy):
        judge(client, VIDEO)
        first, second = proxy.connections
        assert second.opened - first.opened >= 1.0
    ((code, attempt, wait_s),) = repetitions(caplog)
    assert (code, attempt) == ("busy", 1)
    assert wait_s >= 1.0


@pytest.mark.parametrize("door", PLAIN)
def test_nobody_returns_before_the_date_a_server_named(
    site: Site, caplog: pytest.LogCaptureFixture, door: str
) -> None:
    date = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3)
    fault = answer(503, b"<html>", Retry_After=format_datetime(date, usegmt=True))
    with behind(site, door, fault) as (client, proxy):
        judge(client, VIDEO)
        assert proxy.connections[1].opened >= date.timestamp()
    assert [code for code, *_ in repetitions(caplog)] == ["busy"]


def test_the_random_wait_comes_on_top(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    retries = Retries(first_wait=0.2)
    with behind(site, "token", answer(503, Retry_After="1"), retries=retries) as (client, _):
        judge(client, VIDEO)
    ((_, _, wait_s),) = repetitions(caplog)
    assert wait_s > 1.0


def test_a_wait_beyond_the_budget_is_not_begun(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with behind(site, "token", answer(503, Retry_After="3600")) as (client, proxy):
        error = error_of(lambda: judge(client, VIDEO))
        assert len(proxy.connections) == 1
    assert (type(error), error.retry_after) == (oos.BusyError, 3600.0)
    assert repetitions(caplog) == []


def test_patience_ends_after_so_many_attempts(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    retries = Retries(attempts=3, first_wait=0.0)
    with behind(site, "token", *[Reset(after=HALF)] * 5, retries=retries) as (client, proxy):
        error = error_of(lambda: judge(client))
        assert len(proxy.connections) == 3
        assert identities(proxy.asked).pop()[0] == error.request_id
    assert type(error) is oos.ConnectionLostError
    assert [attempt for _, attempt, _ in repetitions(caplog)] == [1, 2]


@pytest.mark.parametrize("name", PASSING)
def test_with_one_try_nothing_is_sent_again(site: Site, caplog: pytest.LogCaptureFixture, name: str) -> None:
    fault, code = PASSING[name]
    with behind(site, "token", fault, retries=ONE_TRY) as (client, proxy):
        assert error_of(lambda: judge(client)).code == code
        assert len(proxy.connections) == 1
    assert repetitions(caplog) == []


@pytest.mark.parametrize("name", LASTING)
@pytest.mark.parametrize("door", PLAIN)
def test_what_lasts_is_not_sent_again(
    site: Site, caplog: pytest.LogCaptureFixture, door: str, name: str
) -> None:
    fault, kind = LASTING[name]
    with behind(site, door, fault) as (client, proxy):
        assert type(error_of(lambda: judge(client, VIDEO))) is kind
        assert len(proxy.connections) == 1
    assert repetitions(caplog) == []


FILES: dict[str, bytes] = {
    "empty_file": b"",
    "unsupported_media": b"a letter" * 99,
    "corrupt_media": VIDEO[: len(VIDEO) // 2],
    "no_audio": Media(audio=None).to_bytes(),
    "too_short": Media(frames=3).to_bytes(),
}


@pytest.mark.parametrize("code", [*FILES, "bad_options"])
@pytest.mark.parametrize("door", PLAIN)
def test_what_is_wrong_with_the_file_or_its_options_is_said_once(
    site: Site, caplog: pytest.LogCaptureFixture, door: str, code: str
) -> None:
    lam = -1.0 if code == "bad_options" else None
    with behind(site, door) as (client, proxy):
        assert error_of(lambda: client.detect(FILES.get(code, VIDEO), lam=lam)).code == code
        assert len(proxy.asked) == 1
    assert repetitions(caplog) == []


@pytest.mark.parametrize("after", [0, 1000])  # bytes of the answer
@pytest.mark.parametrize("door", [*PLAIN, "edge"])
def test_an_answer_that_is_late_is_not_asked_for_twice(
    site: Site, caplog: pytest.LogCaptureFixture, door: str, after: int
) -> None:
    late = CutAnswer(len(VIDEO), after, then=Silence())
    with behind(site, door, late, timeout=Timeouts(read=1.0)) as (client, proxy):
        error = error_of(lambda: judge(client, VIDEO))
        assert len(proxy.connections) == 1
    assert (type(error), error.status) == (oos.RequestTimeoutError, 0)
    assert repetitions(caplog) == []


@pytest.mark.parametrize("door", ["token", "edge"])
def test_an_answer_that_is_late_is_asked_for_again_where_that_is_wanted(
    site: Site, caplog: pytest.LogCaptureFixture, door: str
) -> None:
    retries = Retries(first_wait=0.0, timeouts=True)
    late = CutAnswer(len(VIDEO), 0, then=Silence())
    started = time.monotonic()
    with site.client(door) as client:
        judge(client, VIDEO)
    patience = 3.0 + 5.0 * (time.monotonic() - started)  # an answer that comes does so before, on any machine
    with behind(site, door, late, retries=retries, timeout=Timeouts(read=patience)) as (client, proxy):
        assert judge(client, VIDEO).id
        assert len(proxy.connections) >= 2
        if door != "edge":
            assert len(identities(proxy.asked)) == 1
            assert {one.fields["data"] for one in proxy.asked} == {VIDEO}
    assert {code for code, *_ in repetitions(caplog)} == {"timeout"}


def test_health_asks_once_and_says_what_it_heard(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    for door in PLAIN:
        with behind(site, door, Reset(after=1), edge_error("busy", 503), answer(504)) as (client, proxy):
            assert type(error_of(client.health)) is oos.ConnectionLostError
            for _ in range(2):
                health = client.health()
                assert (health.ready, bool(health.problem)) == (False, True)
            assert len(proxy.connections) == 3
    assert repetitions(caplog) == []


def test_whoever_waits_until_a_server_is_ready_is_told_when_it_is(site: Site) -> None:
    for door in PLAIN:
        with behind(site, door, Reset(after=1), edge_error("busy", 503)) as (client, proxy):
            assert client.wait_until_ready(PATIENCE_S).ready
            assert len(proxy.connections) == 3
        with behind(site, door, Reset(after=1)) as (client, _):
            assert type(error_of(lambda: client.wait_until_ready(0.0))) is oos.ConnectionLostError


@pytest.mark.parametrize(("door", "codes"), [("state", ["worker_died", "busy"]), ("edge", ["busy"])])
def test_a_worker_that_is_killed_costs_nobody_an_answer(
    site: Site, caplog: pytest.LogCaptureFixture, door: str, codes: list[str]
) -> None:
    """What was sent to the edge is sent again by the gateway, and by the client while there is no worker."""
    video = Media(frames=500).to_bytes()
    with site.client(door, retries=PATIENT) as client, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.detect, video)
        while not site.killed_at_work():
            assert not asked.done(), "the worker was too fast"
            time.sleep(0.01)
        assert asked.result().verdict
    found = [code for code, *_ in repetitions(caplog)]
    assert set(found) <= set(codes)
    assert door == "edge" or found[0] == "worker_died"
