"""The result of a video: what can be seen, moved through, taken away and compared."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from e2e.web.conftest import Served
from e2e.web.tab import GENUINE, HAND_IN, MANIPULATED, Tab, file_of
from PIL import Image
from playwright.sync_api import Locator, expect

pytestmark = pytest.mark.server

CHARTS = ("probability", "delay", "speech", "map", "distribution", "features")


@pytest.fixture
def result(judged: Tab) -> Iterator[Tab]:
    """A tab of its own with the result of the manipulated video."""
    tab = judged.another()
    tab.result(MANIPULATED.name)
    tab.wait_until("document.querySelector('video').readyState >= 2")
    expect(plot(tab, "speech")).to_be_visible()  # it comes last, and every chart is drawn anew with it
    yield tab
    tab.page.close()


def plot(tab: Tab, name: str) -> Locator:
    return tab.page.locator(f'[data-plot="{name}"] .u-over')


def moment_at(tab: Tab) -> float:
    """Where the line of the playing moment stands, as a share of the plots' width."""
    box, line = plot(tab, "map").bounding_box(), tab.page.locator(".moment").bounding_box()
    assert box is not None
    assert line is not None
    return (line["x"] + line["width"] / 2 - box["x"]) / box["width"]


def duration(tab: Tab) -> float:
    return float(tab.page.locator("video").evaluate("video => video.duration"))


@pytest.mark.parametrize("name", ["probability", "delay", "map"])
def test_a_click_on_the_timeline_moves_the_player(result: Tab, name: str) -> None:
    over = plot(result, name)
    box = over.bounding_box()
    assert box is not None
    over.click(position={"x": 0.6 * box["width"], "y": 0.5 * box["height"]})
    assert result.playing_moment() == pytest.approx(0.6 * duration(result), abs=0.1)
    assert moment_at(result) == pytest.approx(0.6, abs=0.02)


def test_keys_move_the_player(result: Tab) -> None:
    timeline, keys = result.timeline(), result.page.keyboard
    timeline.focus()
    for key, expected in [
        ("ArrowRight", 0.2),
        ("ArrowRight", 0.4),
        ("ArrowLeft", 0.2),
        ("Shift+ArrowRight", 0.24),
        ("PageUp", 5.24),
        ("End", duration(result)),
        ("Home", 0.0),
    ]:
        keys.press(key)
        assert result.playing_moment() == pytest.approx(expected, abs=0.05), key
        assert float(timeline.get_attribute("aria-valuenow") or "nan") == pytest.approx(expected, abs=0.05)


def test_the_line_follows_the_player(result: Tab) -> None:
    result.page.locator("video").evaluate("video => void (video.muted = true)")
    result.button("player.play").click()
    result.wait_until("document.querySelector('video').currentTime > 1")
    result.button("player.pause").click()
    now = result.playing_moment()
    assert now > 1
    assert moment_at(result) == pytest.approx(now / duration(result), abs=0.03)
    result.page.get_by_role("slider", name=result.say("player.position"), exact=True).fill("0")
    assert result.playing_moment() == 0


def test_suspicious_spans_stand_on_the_seek_bar(result: Tab) -> None:
    rail, spans = result.page.locator(".seekbar .rail"), result.page.locator(".seekbar .span")
    expect(spans.first).to_be_visible()
    outer = rail.bounding_box()
    assert outer is not None
    for place in range(spans.count()):
        box = spans.nth(place).bounding_box()
        assert box is not None
        assert outer["x"] - 1 <= box["x"] < box["x"] + box["width"] <= outer["x"] + outer["width"] + 1


def test_a_moment_that_counts_is_gone_to(result: Tab) -> None:
    moments = result.page.get_by_role("region", name=result.say("moments.title"))
    expect(moments.locator("img").first).to_be_visible()
    moments.get_by_role("button").last.click()
    assert result.playing_moment() > 1


def test_the_pointer_reads_the_delay_map(result: Tab) -> None:
    over = plot(result, "map")
    box = over.bounding_box()
    assert box is not None
    over.hover(position={"x": 0.5 * box["width"], "y": 0.1 * box["height"]})
    expect(result.page.locator(".readout")).to_contain_text("+12 frames")


def test_the_offset_can_be_corrected_while_playing(result: Tab) -> None:
    button = result.page.get_by_role("button", name=result.say("player.corrected"))
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    video = result.page.locator("video")
    expect(video).to_have_js_property("muted", True)  # a second element gives the sound
    button.click()
    expect(video).to_have_js_property("muted", False)


def exported(tab: Tab, name: str) -> Path:
    """What the browser saves for an entry of the export menu."""
    menu = tab.page.locator("details.menu")
    if menu.get_attribute("open") is None:
        menu.locator("summary").click()
    with tab.page.expect_download() as begun:
        tab.page.get_by_role("button", name=name, exact=True).click()
    saved = begun.value
    assert saved.failure() is None
    return Path(saved.path()).rename(Path(saved.path()).with_name(saved.suggested_filename))


def test_the_result_is_saved_as_it_was_answered(judged: Tab, served: Served) -> None:
    tab, name = judged.another(), "again.mp4"
    with tab.page.context.expect_event("response", lambda one: bool(HAND_IN.search(one.url))) as told:
        tab.choose(file_of(name, GENUINE.read_bytes()))
    tab.verdict(name)
    tab.result(name)
    job = f"{served.url}{told.value.headers['location']}"
    answered = requests.get(job, headers=served.headers, timeout=60).json()["result"]
    assert json.loads(exported(tab, tab.say("export.json")).read_text()) == answered
    tab.page.close()


@pytest.mark.parametrize("kind", ["html", "pdf", "csv", "json"])
def test_reports_can_be_opened(result: Tab, kind: str) -> None:
    file = exported(result, result.say(f"export.{kind}"))
    assert file.name.startswith(MANIPULATED.stem)
    assert file.suffix == f".{kind}"
    if kind == "pdf":
        assert file.read_bytes().startswith(b"%PDF-")
    elif kind == "csv":
        rows = list(csv.reader(io.StringIO(file.read_text())))
        assert len(rows) > 100
        assert len({len(row) for row in rows}) == 1
    elif kind == "json":
        assert json.loads(file.read_text())["verdict"]
    else:
        opened = result.page.context.new_page()
        opened.route("**/*", lambda route: route.abort())  # it needs nothing from anywhere
        opened.set_content(file.read_text())
        assert MANIPULATED.name in opened.title() or MANIPULATED.stem in opened.title()
        opened.close()


@pytest.mark.parametrize("chart", CHARTS)
def test_charts_are_saved_as_pictures(result: Tab, chart: str) -> None:
    file = exported(result, f"PNG: {result.say(f'chart.{chart}')}")
    assert file.name == f"{MANIPULATED.stem}_{chart}.png"
    with Image.open(file) as picture:
        assert picture.format == "PNG"
        assert picture.width > 300
        assert picture.height > 100
        colours = picture.convert("RGB").getcolors(maxcolors=1 << 24)
    assert colours is not None
    assert len(colours) > 20, "more than an empty ground"


def test_two_results_stand_side_by_side(judged: Tab) -> None:
    tab = judged.another("#/history")
    for video in (GENUINE, MANIPULATED):
        tab.cards(video.name, "both").get_by_role("checkbox").check()
    tab.button("history.compare").click()
    table = tab.page.get_by_role("table")
    for video in (GENUINE, MANIPULATED):
        expect(table.get_by_role("columnheader", name=video.name)).to_be_visible()
        expect(tab.page.get_by_role("heading", name=video.name)).to_be_visible()
    verdicts = table.get_by_role("row").filter(has_text=tab.say("fact.verdict")).first.get_by_role("cell")
    assert verdicts.nth(0).inner_text() != verdicts.nth(1).inner_text()
    assert tab.page.locator("video").count() == 2
    tab.page.close()


def test_a_link_opens_a_result_again(result: Tab) -> None:
    link = result.page.url
    result.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    result.button("link.copy").click()
    expect(result.button("link.copied")).to_be_visible()
    assert result.page.evaluate("navigator.clipboard.readText()") == link
    again = result.another(link.removeprefix(f"{result.url}/"))
    again.drawn()
    expect(again.page.get_by_role("heading", name=MANIPULATED.name)).to_be_visible()
    again.page.close()
