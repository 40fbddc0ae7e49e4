"""What is sent again through a bad connection, when, and whole; and what is not."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from fault_proxy import Asked, CutAnswer, Fault, FaultProxy, Reset, Say, Silence, answer
from integration.compatibility.doors import ONE_TRY, PATIENCE_S, Site, error_of, repetitions
from media_factory import Media
from under_load import wait_for

import outofsync_client as oos
from config.serve import rotate
from outofsync_client import AsyncClient, Client, Result, Retries, StateToken, Timeouts

pytestmark = pytest.mark.server

PLAIN = ("token", "gateway")  # doors of plain HTTP, before which an answer can be made up
AT_ONCE = Retries(first_wait=0.0)
PATIENT = Retries(attempts=50, longest_wait=2.0)
VIDEO = Media(frames=8, width=64, height=48).to_bytes()
PADDING = 1_000_000  # so that a connection may break in the midst of an upload
BIG = VIDEO + struct.pack(">I4s", PADDING + 8, b"free") + bytes(PADDING)
HEADER = b"a header"  # stands before the video in a file that is read from behind it
HALF = len(BIG) // 2


def said(status: int, kind: str, message: str) -> Say:
    """An error in TorchServe's words."""
    return answer(status, json.dumps({"code": status, "type": kind, "message": message}).encode())


def told(code: str, status: int, **headers: str) -> Say:
    """An error in the edge's words."""
    error = {"code": code, "status": status, "stage": "edge", "message": "No.", "hint": "Wait."}
    return answer(status, json.dumps({"error": {**error, "request_id": "r"}}).encode(), **headers)


NO_WORKER = said(500, "InternalServerException", 'Model "deepfake__deblur" has no worker to serve')
DIED = said(507, "InternalServerException", "Worker died.")
LOST: dict[str, Fault] = {
    "before the request": Reset(after=1),
    "in the midst of the upload": Reset(after=HALF),
    "within the head of the answer": CutAnswer(len(BIG), 20, then=Reset()),
    "in the midst of the answer": CutAnswer(len(BIG), 1000, then=Reset()),
    "the answer cut short": CutAnswer(len(BIG), 1000),
}
PASSING: dict[str, tuple[Fault, str]] = {
    **{name: (fault, "connection_lost") for name, fault in LOST.items()},
    "no HTTP at all": (Say(b"\x00\x01garbage\r\n\r\n"), "connection_lost"),
    "too many requests": (told("busy", 429), "busy"),
    "too many requests, and not in our words": (answer(429), "busy"),
    "busy": (told("busy", 503), "busy"),
    "busy, and not in our words": (answer(503, b"<html>"), "busy"),
    "a full queue": (NO_WORKER, "busy"),
    "no memory for uploads": (said(507, "OutOfMemoryError", "Cannot reserve memory"), "busy"),
    "a dead worker": (DIED, "worker_died"),
    "a gateway alone": (answer(502, b"<html>"), "unreachable"),
    "a gateway that waited in vain": (answer(504), "timeout"),
}
LASTING: dict[str, tuple[Fault, type[oos.OutOfSyncError]]] = {
    "a fault of the server's own": (told("internal", 500), oos.InternalError),
    "too large": (answer(413), oos.TooLargeError),
    "nothing there": (said(404, "WorkflowNotFoundException", "Not found"), oos.NotDeployedError),
    "asked in another way": (answer(405), oos.MethodNotAllowedError),
    "no answer of a detector": (answer(200, b"<html>"), oos.UnexpectedAnswerError),
    "sent elsewhere": (answer(307, Location="/elsewhere"), oos.UnexpectedAnswerError),
    "a refused key": (answer(401), oos.AuthenticationError),
    "a key without this right": (answer(403), oos.AuthenticationError),
}


def lasting(result: Result) -> dict[str, object]:
    """A result without what differs from call to call."""
    return {name: value for name, value in result.to_dict().items() if name != "timing_ms"}


def judge(client: Client, file: oos.VideoFile = BIG) -> Result:
    return client.detect(file, mode="reference", deblur="never")


@pytest.fixture(scope="module")
def expected(site: Site) -> dict[str, object]:
    """What the server says of the big video when nothing gets in the way."""
    with site.client("token") as client:
        return lasting(judge(client))


@contextmanager
def behind(
    site: Site, door: str, *script: Fault, retries: Retries = AT_ONCE, **settings: Any
) -> Iterator[tuple[Client, FaultProxy]]:
    """A client, and the proxy through which it reaches a door."""
    with (
        FaultProxy(site.url(door), *script) as proxy,
        Client(proxy.url, **site.keys(door), retries=retries, **settings) as client,
    ):
        yield client, proxy


def identities(asked: list[Asked]) -> set[tuple[str, str]]:
    """The request ids and idempotency keys of some requests."""
    return {
        (one.headers["x-outofsync-request-id"], one.headers["idempotency-key"])
        for one in asked
        if one.headers
    }


@contextmanager
def at_the_first_wait(act: Callable[[], object]) -> Iterator[None]:
    """Do something once, when a client begins to wait for its next attempt."""

    class Once(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if hasattr(record, "wait_s"):
                logger.removeHandler(self)
                act()

    logger = logging.getLogger("outofsync_client")
    handler = Once()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


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
        with behind(site, door, told("busy", 503), Reset(after=1)) as (client, proxy):
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
    with behind(site, door, told("busy", status, Retry_After="1")) as (client, proxy):
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
    with behind(site, door, late, retries=retries, timeout=Timeouts(read=3.0)) as (client, proxy):
        assert judge(client, VIDEO).id
        assert len(proxy.connections) >= 2
        if door != "edge":
            assert len(identities(proxy.asked)) == 1
            assert {one.fields["data"] for one in proxy.asked} == {VIDEO}
    assert {code for code, *_ in repetitions(caplog)} == {"timeout"}


class Tokens:
    """A source whose tokens are used up one by one, as they are looked up anew."""

    def __init__(self, *tokens: str) -> None:
        self._tokens = list(tokens)

    def current(self) -> str:
        return self._tokens[0]

    def renew(self) -> str | None:
        if len(self._tokens) > 1:
            self._tokens.pop(0)
        return self._tokens[0]


def test_a_token_that_has_run_out_is_looked_up_anew(
    site: Site, expected: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    tokens = Tokens("run-out", site.now.token)
    with FaultProxy(site.now.url) as proxy, Client(proxy.url, token=tokens, retries=ONE_TRY) as client:
        assert lasting(judge(client)) == expected
        first, second = proxy.asked
    sent = [one.headers["authorization"] for one in (first, second)]
    assert sent == ["Bearer run-out", f"Bearer {site.now.token}"]
    assert len(identities([first, second])) == 1
    assert first.fields["data"] == second.fields["data"] == BIG
    assert repetitions(caplog) == [], "no wait was needed"


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_once_is_looked_up_anew(site: Site, status: int) -> None:
    tokens = Tokens("earlier", site.now.token)
    with (
        FaultProxy(site.now.url, answer(status)) as proxy,
        Client(proxy.url, token=tokens, retries=ONE_TRY) as client,
    ):
        assert judge(client, VIDEO).id
        assert [one.headers["authorization"][7:] for one in proxy.asked] == ["earlier", site.now.token]


@pytest.mark.parametrize("tokens", [("wrong",), ("wrong", "as-wrong", "never-asked-for")])
def test_a_token_is_looked_up_once_for_each_request(site: Site, tokens: tuple[str, ...]) -> None:
    source = Tokens(*tokens)
    with FaultProxy(site.now.url) as proxy, Client(proxy.url, token=source, retries=AT_ONCE) as client:
        assert type(error_of(lambda: judge(client, VIDEO))) is oos.AuthenticationError
        assert len(proxy.asked) == min(2, len(tokens))


def test_clients_that_follow_a_state_folder_live_through_new_tokens(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    before = site.now.token
    with (
        Client(site.now.url, token=StateToken(site.folder), retries=ONE_TRY) as by_source,
        Client.of_state(site.folder, retries=ONE_TRY) as by_folder,
        site.client("edge", retries=ONE_TRY) as at_edge,
    ):
        for client in (by_source, by_folder, at_edge):
            judge(client, VIDEO)
        assert rotate(site.folder).token != before
        for client in (by_source, by_folder, at_edge):
            judge(client, VIDEO)
    with Client(site.now.url, token=before) as late:
        assert type(error_of(lambda: judge(late, VIDEO))) is oos.AuthenticationError
    assert repetitions(caplog) == []


ELSEWHERE: dict[str, Fault | None] = {
    "nobody listens": None,
    "the connection breaks before the request": Reset(),
    "the connection breaks in the midst of the upload": Reset(after=HALF),
    "busy": told("busy", 503, Retry_After="3600"),
    "a full queue": NO_WORKER,
    "a gateway alone": answer(502),
}


@pytest.mark.parametrize("name", ELSEWHERE)
@pytest.mark.parametrize("door", PLAIN)
def test_another_server_takes_over_without_a_wait_and_keeps_the_client(
    site: Site, expected: dict[str, object], caplog: pytest.LogCaptureFixture, door: str, name: str
) -> None:
    fault = ELSEWHERE[name]
    with (
        FaultProxy(site.url(door), *([fault] if fault else []), listens=fault is not None) as first,
        FaultProxy(site.url(door)) as second,
        Client([first.url, second.url], **site.keys(door), retries=ONE_TRY) as client,
    ):
        assert client.url == first.url
        assert lasting(judge(client)) == expected
        assert client.url == second.url
        for _ in range(2):
            assert error_of(lambda: client.detect(b"")).code == "empty_file"
            assert client.url == second.url
        assert len(first.connections) == (1 if fault else 0)
        assert [one.fields["data"] for one in second.asked] == [BIG, b"", b""]
        assert len(identities([*first.asked, second.asked[0]])) == 1
    assert repetitions(caplog) == []


def test_another_edge_takes_over_and_the_first_one_again(site: Site, expected: dict[str, object]) -> None:
    with ExitStack() as left:
        first = left.enter_context(FaultProxy(site.edge.url, Reset(after=HALF)))
        second = FaultProxy(site.edge.url)
        urls = [first.url, second.url]
        client = left.enter_context(Client(urls, **site.keys("edge"), retries=ONE_TRY))
        with second:
            for _ in range(2):
                assert lasting(judge(client)) == expected
                assert client.url == second.url
        assert lasting(judge(client)) == expected
        assert client.url == first.url
        assert len(first.connections) == 2


def test_an_edge_that_keeps_silent_before_anything_was_sent_is_passed_over(
    site: Site, expected: dict[str, object]
) -> None:
    """It takes the connection, and its part of TLS never comes."""
    with (
        FaultProxy(site.edge.url, Silence()) as first,
        Client(
            [first.url, site.edge.url], **site.keys("edge"), retries=ONE_TRY, timeout=Timeouts(connect=2.0)
        ) as client,
    ):
        assert lasting(judge(client)) == expected
        assert client.url == site.edge.url


@pytest.mark.parametrize("fault", [told("busy", 429), DIED, answer(504)])
def test_what_is_not_the_servers_own_trouble_is_not_taken_to_another(
    site: Site, expected: dict[str, object], caplog: pytest.LogCaptureFixture, fault: Fault
) -> None:
    with (
        FaultProxy(site.url("token"), fault) as first,
        FaultProxy(site.url("token")) as second,
        Client([first.url, second.url], **site.keys("token"), retries=AT_ONCE) as client,
    ):
        assert lasting(judge(client)) == expected
        assert (len(first.connections), len(second.connections)) == (2, 0)
    assert len(repetitions(caplog)) == 1


def test_of_several_failures_that_is_told_which_was_an_answer(site: Site) -> None:
    retries = Retries(attempts=2, first_wait=0.0)
    with (
        FaultProxy(site.url("token"), *[Reset()] * 2) as first,
        FaultProxy(site.url("token"), *[told("busy", 503)] * 2) as second,
        Client([first.url, second.url], **site.keys("token"), retries=retries) as client,
    ):
        error = error_of(lambda: judge(client, VIDEO))
        assert (len(first.connections), len(second.connections)) == (2, 2)
    assert (type(error), error.status) == (oos.BusyError, 503)


@pytest.fixture
def moving(site: Site, tmp_path: Path) -> Callable[[str], None]:
    """Publishes in a state folder of the test's own that the server is at a URL."""

    def publish(url: str) -> None:
        values = json.loads((site.folder / "server.json").read_text())
        (tmp_path / "server.new").write_text(json.dumps({**values, "url": url}))
        (tmp_path / "server.new").replace(tmp_path / "server.json")

    return publish


def test_a_server_that_has_moved_is_followed_without_a_wait(
    site: Site,
    expected: dict[str, object],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    moving: Callable[[str], None],
) -> None:
    with FaultProxy(site.now.url, Reset(after=HALF)) as old, Client.of_state(tmp_path) as client:
        moving(old.url)
        assert client.url == old.url
        moving(site.now.url)
        assert lasting(judge(client)) == expected
        assert len(old.connections) == 1
    assert repetitions(caplog) == []


def test_a_server_that_starts_anew_is_waited_for(
    site: Site,
    expected: dict[str, object],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    moving: Callable[[str], None],
) -> None:
    retries = Retries(attempts=2, first_wait=0.0)  # without the wait, the second try would be the last
    returns = threading.Timer(1.0, moving, [site.now.url])
    with (
        FaultProxy(site.now.url, Reset(after=HALF)) as old,
        Client.of_state(tmp_path, retries=retries) as client,
        at_the_first_wait(returns.start),
    ):
        moving(old.url)
        assert client.url == old.url
        (tmp_path / "server.json").unlink()
        assert lasting(judge(client)) == expected
    assert [code for code, *_ in repetitions(caplog)] == ["connection_lost"]


def test_health_asks_once_and_says_what_it_heard(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    for door in PLAIN:
        with behind(site, door, Reset(after=1), told("busy", 503), answer(504)) as (client, proxy):
            assert type(error_of(client.health)) is oos.ConnectionLostError
            for _ in range(2):
                health = client.health()
                assert (health.ready, bool(health.problem)) == (False, True)
            assert len(proxy.connections) == 3
    assert repetitions(caplog) == []


def test_whoever_waits_until_a_server_is_ready_is_told_when_it_is(site: Site) -> None:
    for door in PLAIN:
        with behind(site, door, Reset(after=1), told("busy", 503)) as (client, proxy):
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
