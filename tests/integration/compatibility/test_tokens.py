"""Tokens and keys that are used up are looked up anew, once, without a wait."""

from __future__ import annotations

import pytest
from fault_proxy import FaultProxy, answer
from integration.compatibility.doors import ONE_TRY, Site, error_of, repetitions
from integration.compatibility.troubles import (
    AT_ONCE,
    BIG,
    VIDEO,
    identities,
    judge,
    lasting,
)

import outofsync_client as oos
from outofsync_client import Client, StateToken
from serving.lifecycle import rotate

pytestmark = pytest.mark.server


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


def test_a_token_that_the_server_has_before_anybody_else_is_waited_for(
    site: Site, expected: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    """TorchServe makes a new one, and the state folder holds the earlier for a moment more."""
    tokens = Tokens("earlier", "earlier", site.now.token)
    with FaultProxy(site.now.url) as proxy, Client(proxy.url, token=tokens, retries=ONE_TRY) as client:
        assert lasting(judge(client)) == expected
        assert len(proxy.asked) == 2
    assert repetitions(caplog) == [], "it was one attempt"


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_once_is_looked_up_anew(site: Site, status: int) -> None:
    tokens = Tokens("earlier", site.now.token)
    with (
        FaultProxy(site.now.url, answer(status)) as proxy,
        Client(proxy.url, token=tokens, retries=ONE_TRY) as client,
    ):
        assert judge(client, VIDEO).id
        assert [one.headers["authorization"][7:] for one in proxy.asked] == ["earlier", site.now.token]


@pytest.mark.parametrize(("different", "asked"), [(1, 1), (3, 3), (9, 5)])
def test_new_tokens_are_tried_while_they_differ_and_a_few_times_at_most(
    site: Site, different: int, asked: int
) -> None:
    source = Tokens(*(f"wrong-{number}" for number in range(different)))
    with FaultProxy(site.now.url) as proxy, Client(proxy.url, token=source, retries=AT_ONCE) as client:
        assert type(error_of(lambda: judge(client, VIDEO))) is oos.AuthenticationError
        assert len(proxy.asked) == asked


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
