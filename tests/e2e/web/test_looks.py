"""Each state of the page on three screens, light and dark: no barrier, nothing beside the screen.

Pictures of all of them are for people to look at: results/page/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, Literal

import pytest
from e2e.web.clips import broken, empty
from e2e.web.conftest import visiting
from e2e.web.pretended import pretend, pretend_progress
from e2e.web.tab import GENUINE, MANIPULATED, SAMPLES, Tab, file_of
from edge_fixture import LiveEdge
from playwright.sync_api import Browser, expect

from serving.settings import ROOT

pytestmark = pytest.mark.server

PICTURES = ROOT / "results" / "page"
SCREENS = {"phone": (360, 740), "tablet": (820, 1180), "desk": (1440, 900)}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
# Every criterion of WCAG 2.2, levels A and AA, that a program can check.
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
    "resultTypes": ["violations"],
}
FIND = "async (rules) => (await axe.run(document, rules)).violations"
OVERHANG = "document.documentElement.scrollWidth - innerWidth"
# Texts and controls that lie partly beside the screen; what shows itself on focus is not meant.
CUT_OFF = """() => [...document.querySelectorAll("h1, h2, p, label, input, button, a:not(.skip), img")]
  .filter((element) => element.checkVisibility({visibilityProperty: true}))
  .filter((element) => !element.closest(".hidden, .scroll"))
  .filter((element) => {
    const {left, right} = element.getBoundingClientRect();
    return right > left && (left < -1 || right > innerWidth + 1);
  })
  .map((element) => element.innerText || element.outerHTML.slice(0, 80))"""


def barriers(tab: Tab) -> list[str]:
    """What axe-core finds, with the elements it finds it at."""
    if not tab.page.evaluate("'axe' in window"):
        tab.page.evaluate(AXE)
    found: list[dict[str, Any]] = tab.page.evaluate(FIND, RULES)
    return [
        f"{one['id']} at {node['target']}: {node['failureSummary']}" for one in found for node in one["nodes"]
    ]


def look_at(tab: Tab, state: str) -> None:
    """Every screen and scheme; fails once all pictures are taken."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    faults = []
    for scheme in SCHEMES:
        tab.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        for screen, (width, height) in SCREENS.items():
            tab.page.set_viewport_size({"width": width, "height": height})
            tab.page.wait_for_timeout(200)  # charts are drawn anew at the next frame
            tab.page.screenshot(path=PICTURES / f"{state}_{screen}_{scheme}.png", full_page=True)
            if (overhang := tab.page.evaluate(OVERHANG)) > 0:
                faults.append(f"{screen}: {overhang} px beside the screen")
            if cut_off := tab.page.evaluate(CUT_OFF):
                faults.append(f"{screen}: cut off: {cut_off}")
            if screen != "tablet":
                faults += [f"{screen}, {scheme}: {barrier}" for barrier in barriers(tab)]
    assert faults == []


@contextmanager
def start(tab: Tab) -> Iterator[None]:
    tab.open()
    yield


@contextmanager
def running(tab: Tab) -> Iterator[None]:
    """A request that is held, and one that waits."""
    context = tab.page.context
    context.route("**/v1/uploads", lambda _: None)
    names = [f"{number}.mp4" for number in range(3)]
    tab.open().choose(*(file_of(name, GENUINE.read_bytes()) for name in names))
    for name in names:
        expect(tab.button("job.cancel", name=name)).to_be_visible()
    yield
    for name in names:
        tab.button("job.cancel", name=name).click()
        tab.button("job.remove", name=name).click()
    context.unroute("**/v1/uploads")


@contextmanager
def watched(tab: Tab) -> Iterator[None]:
    """A job that the server is at, and says how long it will be."""
    pretend(tab, progress={"stage": "faces", "done": 0.4, "remaining_s": 41})
    pretend_progress(tab, stage="faces", done=0.4, remaining_s=41)
    tab.open().choose(file_of("interview.mp4", GENUINE.read_bytes()))
    expect(tab.job("interview.mp4")).to_contain_text(tab.say("remaining.seconds", count=40))
    yield
    tab.button("job.cancel", name="interview.mp4").click()
    tab.button("job.remove", name="interview.mp4").click()
    tab.page.context.unroute_all()


@contextmanager
def failed(tab: Tab) -> Iterator[None]:
    """One that was never sent, and one that the server refused."""
    tab.open()
    for name, content in (("empty.mp4", empty()), ("broken.mp4", broken(SAMPLES / GENUINE.name))):
        tab.choose(file_of(name, content))
    tab.failure("empty.mp4", "empty_file")
    tab.failure("broken.mp4", "corrupt_media")
    yield
    for name in ("empty.mp4", "broken.mp4"):
        tab.button("job.remove", name=name).click()


@contextmanager
def result(tab: Tab) -> Iterator[None]:
    tab.open().result(MANIPULATED.name)
    expect(tab.page.locator('[data-plot="speech"] canvas')).to_be_visible()
    expect(tab.page.locator(".moments img").first).to_be_visible()
    yield


@contextmanager
def export(tab: Tab) -> Iterator[None]:
    with result(tab):
        tab.page.locator("details.menu summary").click()
        yield


@contextmanager
def gone(tab: Tab) -> Iterator[None]:
    tab.open("#/result/none")
    expect(tab.page.get_by_role("heading", name=tab.say("result.gone"))).to_be_visible()
    yield


@contextmanager
def history(tab: Tab) -> Iterator[None]:
    tab.open("#/history")
    expect(tab.page.locator("main img").first).to_be_visible()
    yield


@contextmanager
def forgetting(tab: Tab) -> Iterator[None]:
    with history(tab):
        tab.cards(MANIPULATED.name, "both").get_by_role("button").click()
        expect(tab.page.get_by_role("dialog")).to_be_visible()
        yield
        tab.button("forget.keep").click()


@contextmanager
def compare(tab: Tab) -> Iterator[None]:
    with history(tab):
        for video in (GENUINE, MANIPULATED):
            tab.cards(video.name, "both").get_by_role("checkbox").check()
        tab.button("history.compare").click()
        expect(tab.page.locator('[data-plot="map"] canvas').last).to_be_visible()
        yield


STATES = [start, running, watched, failed, result, export, gone, history, forgetting, compare]


@pytest.mark.parametrize("state", STATES)
def test_every_state_on_every_screen(judged: Tab, state: Callable[..., Any]) -> None:
    tab = judged.another()
    with state(tab):
        look_at(tab, state.__name__)
    tab.page.close()


def test_barriers_are_found(judged: Tab) -> None:
    tab = judged.another()
    tab.page.evaluate("document.querySelector('main').append(document.createElement('input'))")
    assert [barrier for barrier in barriers(tab) if barrier.startswith("label at")]
    tab.page.close()


def test_the_key_is_asked_for_on_every_screen(browser: Browser, edge: LiveEdge) -> None:
    with visiting(browser, edge.url) as tab:
        look_at(tab.open(), "key")
