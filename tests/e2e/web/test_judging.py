"""From a video to its verdict, by every way in, and back again after a reload."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from e2e.web.clips import padded
from e2e.web.conftest import Visit
from e2e.web.tab import GENUINE, HAND_IN, MANIPULATED, SAMPLES, Tab, say
from playwright.sync_api import Locator, expect

pytestmark = pytest.mark.server

STAGES = ("queued", "decode", "faces", "deblur", "compare", "score")
AFTER_UPLOAD = re.compile("|".join(say(f"stage.{stage}") for stage in STAGES))
HOLDS, HOLDS_NOT = ("real", "likely_real"), ("fake", "likely_fake")

# Every share of an upload that is shown, in order; the list grows.
WATCH_SHARES = """(label) => {
  const shown = new RegExp(`${label} ([0-9]+) %`), shares = [];
  const look = () => {
    const found = document.querySelector(".stages")?.textContent.match(shown);
    if (found && Number(found[1]) !== shares.at(-1)) shares.push(Number(found[1]));
    requestAnimationFrame(look);
  };
  look();
  return shares;
}"""


def test_a_genuine_and_a_manipulated_video_are_told_apart(visit: Visit) -> None:
    tab = visit()
    tab.choose(GENUINE, MANIPULATED)
    assert tab.verdict(GENUINE.name) in HOLDS
    assert tab.verdict(MANIPULATED.name) in HOLDS_NOT


def test_videos_can_be_dropped(visit: Visit) -> None:
    tab = visit()
    tab.drop([MANIPULATED])
    assert tab.verdict(MANIPULATED.name) in HOLDS_NOT


def test_who_has_no_video_takes_a_sample(visit: Visit) -> None:
    tab = visit()
    tab.page.get_by_role("button", name=tab.say("samples.shifted.mp4")).click()
    tab.verdict("shifted.mp4")


def test_the_keyboard_alone_is_enough(visit: Visit) -> None:
    tab = visit()
    keys = tab.page.keyboard
    chooser = tab.button("drop.choose")
    keys.press("Tab")
    assert tab.page.evaluate("document.activeElement.className") == "skip"
    press_until_focused(tab, chooser)
    with tab.page.expect_file_chooser() as opened:
        keys.press("Enter")
    opened.value.set_files(MANIPULATED)
    tab.verdict(MANIPULATED.name)
    press_until_focused(
        tab, tab.page.get_by_role("link", name=tab.say("job.open.label", name=MANIPULATED.name))
    )
    keys.press("Enter")
    tab.drawn()
    press_until_focused(tab, tab.timeline())
    keys.press("ArrowRight")
    keys.press("ArrowRight")
    tab.wait_until("Math.abs(document.querySelector('video').currentTime - 0.4) < 0.01")
    keys.press(" ")
    expect(tab.button("player.pause")).to_be_visible()


def press_until_focused(tab: Tab, wanted: Locator) -> None:
    """Walk on with the Tab key; wherever it stops, it is seen where."""
    for _ in range(80):
        tab.page.keyboard.press("Tab")
        assert tab.page.evaluate("document.activeElement.matches(':focus-visible')")
        if wanted.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError("the Tab key does not lead there")


def test_in_german(visit: Visit) -> None:
    tab = visit(language="de")
    assert tab.page.locator("html").get_attribute("lang") == "de"
    tab.choose(MANIPULATED)
    assert tab.verdict(MANIPULATED.name) in HOLDS_NOT
    tab.result(MANIPULATED.name)
    for key in ("timeline.title", "distribution.title", "moments.title", "facts.title", "limits.title"):
        expect(tab.page.get_by_role("heading", name=tab.say(key))).to_be_visible()
    tab.page.get_by_label(tab.say("header.language")).select_option("en")
    expect(tab.page.get_by_role("heading", name="Along the video")).to_be_visible()


def test_results_outlast_a_reload_and_can_be_cleared(visit: Visit) -> None:
    tab = visit()
    tab.choose(MANIPULATED)
    tab.verdict(MANIPULATED.name)
    tab.result(MANIPULATED.name)
    link = tab.page.url
    tab.open("#/history")
    card = tab.cards(MANIPULATED.name, "both")
    assert card.locator("img").evaluate("image => image.naturalWidth") > 0

    again = tab.another(link.removeprefix(f"{tab.url}/"))
    again.drawn()
    again.wait_until("document.querySelector('video').readyState > 0")

    tab.button("history.clear").click()
    tab.button("history.clear.sure.here", count=1).click()
    expect(card).to_have_count(0)
    expect(tab.cards(MANIPULATED.name, "there").first).to_be_visible()
    again.open(link.removeprefix(f"{tab.url}/"))
    expect(again.page.get_by_role("heading", name=tab.say("result.gone"))).to_be_visible()


def test_a_queue_goes_on_after_a_reload(visit: Visit, longer: Path) -> None:
    tab = visit()
    tab.choose(longer, GENUINE, MANIPULATED)
    expect(tab.jobs()).to_have_count(3)
    expect(tab.button("job.cancel", name=longer.name)).to_be_visible()
    tab.open()
    expect(tab.jobs()).to_have_count(3)
    for video in (longer, GENUINE, MANIPULATED):
        tab.verdict(video.name)


def test_what_is_cancelled_midway_makes_room(visit: Visit, longer: Path, tmp_path: Path) -> None:
    tab = visit()
    longer = padded(longer, 100, tmp_path / longer.name)  # which nobody has had judged
    tab.choose(longer)
    job = tab.job(longer.name)
    expect(job.locator("[aria-current=step]")).to_have_text(AFTER_UPLOAD)
    tab.button("job.cancel", name=longer.name).click()
    expect(job).to_contain_text(tab.say("job.cancelled"))
    tab.choose(MANIPULATED)
    assert tab.verdict(MANIPULATED.name) in HOLDS_NOT
    expect(job).to_contain_text(tab.say("job.cancelled"))
    tab.button("job.remove", name=longer.name).click()
    expect(tab.jobs()).to_have_count(1)


def test_two_tabs_show_the_same(visit: Visit) -> None:
    one = visit()
    other = one.another()
    with one.page.expect_request(HAND_IN):
        other.choose(GENUINE)  # the first tab works through the queue of both
    assert other.verdict(GENUINE.name) == one.verdict(GENUINE.name)
    one.page.close()
    with other.page.expect_request(HAND_IN):
        other.choose(SAMPLES / "shifted.mp4")
    other.verdict("shifted.mp4")


def test_a_slow_network_shows_how_far_the_upload_is(visit: Visit) -> None:
    tab = visit()
    network = tab.page.context.new_cdp_session(tab.page)
    limits = {"offline": False, "latency": 20, "downloadThroughput": 1e6, "uploadThroughput": 40_000}
    network.send("Network.emulateNetworkConditions", limits)
    tab.choose(GENUINE)
    shares = tab.page.evaluate_handle(WATCH_SHARES, tab.say("stage.upload"))
    tab.verdict(GENUINE.name)
    seen = shares.json_value()
    assert len([share for share in seen if 0 < share < 100]) >= 2
    assert seen == sorted(seen)
