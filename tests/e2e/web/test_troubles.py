"""A server that is gone, that is restarted midway, that has too much to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from e2e.web.clips import padded
from e2e.web.conftest import MakeGateway, Served, Visit
from e2e.web.tab import ANSWER_MS, GENUINE, HAND_IN, MANIPULATED, Tab, say
from playwright.sync_api import expect

from serving.state import StateFolder

pytestmark = pytest.mark.server

LONGEST_PAUSE_MS = 20_000
TRIED_AGAIN = re.compile(
    re.escape(say("job.retry")).replace(r"\{message\}", ".+").replace(r"\{seconds\}", r"\d+")
)


def skip_pauses(tab: Tab, name: str) -> None:
    """Let the pauses between tries pass at once, until the page gives a video up."""
    job = tab.job(name)
    while job.get_by_role("button", name=tab.say("job.cancel", name=name)).count():
        tab.page.clock.fast_forward(LONGEST_PAUSE_MS)
        tab.page.wait_for_timeout(100)


def test_a_server_that_is_gone_is_told_and_tried_again(visit: Visit, make_gateway: MakeGateway) -> None:
    gateway = make_gateway()
    tab = visit(url=gateway.url, opened=False)
    tab.page.clock.install()
    tab.open()
    gateway.stop()
    tab.choose(GENUINE)
    expect(tab.job(GENUINE.name)).to_contain_text(TRIED_AGAIN)
    skip_pauses(tab, GENUINE.name)
    tab.failure(GENUINE.name, "connection_lost")
    gateway.start()
    tab.button("job.again", name=GENUINE.name).click()
    tab.verdict(GENUINE.name)


def unseen_before(tmp_path: Path) -> Path:
    """The manipulated sample in a file like no other, which no earlier test has had judged."""
    return padded(MANIPULATED, 64, tmp_path / MANIPULATED.name)


def test_a_gateway_that_is_started_anew_midway_loses_nothing(
    visit: Visit, served: Served, tmp_path: Path
) -> None:
    tab = visit()
    with tab.page.expect_request(HAND_IN):
        tab.choose(unseen_before(tmp_path))
    served.gateway().kill()
    tab.verdict(MANIPULATED.name)


def test_a_server_that_is_busy_is_tried_again(visit: Visit, make_gateway: MakeGateway) -> None:
    tab = visit(url=make_gateway(in_flight=1, queue_s=0.0, session=None).url)
    tab.choose(GENUINE, MANIPULATED)
    for video in (GENUINE, MANIPULATED):
        tab.verdict(video.name)


def test_a_server_that_is_started_anew_midway(visit: Visit, served: Served, tmp_path: Path) -> None:
    """Its supervisor starts it again; until then the page waits, or says so and is asked again."""
    tab = visit()
    with tab.page.expect_request(HAND_IN):
        tab.choose(unseen_before(tmp_path))
    StateFolder(served.server_state).processes()[1].kill()
    done = tab.page.get_by_role("link", name=tab.say("job.open.label", name=MANIPULATED.name))
    again = tab.button("job.again", name=MANIPULATED.name)
    while not done.is_visible():
        expect(done.or_(again)).to_be_visible(timeout=ANSWER_MS)
        if again.is_visible():
            assert tab.job(MANIPULATED.name).locator(".failure").inner_text()
            again.click()
    tab.verdict(MANIPULATED.name)
