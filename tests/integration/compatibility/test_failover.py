"""Another server, or the same one elsewhere, takes over from one that is in trouble."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from fault_proxy import Fault, FaultProxy, Reset, Silence, answer
from integration.compatibility.doors import ONE_TRY, Site, error_of, repetitions
from integration.compatibility.troubles import (
    AT_ONCE,
    BIG,
    DIED,
    HALF,
    NO_WORKER,
    PLAIN,
    VIDEO,
    at_the_first_wait,
    edge_error,
    identities,
    judge,
    lasting,
)

import outofsync_client as oos
from outofsync_client import Client, Retries, Timeouts

pytestmark = pytest.mark.server

ELSEWHERE: dict[str, Fault | None] = {
    "nobody listens": None,
    "the connection breaks before the request": Reset(),
    "the connection breaks in the midst of the upload": Reset(after=HALF),
    "busy": edge_error("busy", 503, Retry_After="3600"),
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


@pytest.mark.parametrize("fault", [edge_error("busy", 429), DIED, answer(504)])
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
        FaultProxy(site.url("token"), *[edge_error("busy", 503)] * 2) as second,
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
