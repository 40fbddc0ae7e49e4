"""How much a first visit transfers, how soon a result is drawn, and whether long ones move freely.

Times depend on the machine: they are told, and only what is far off fails.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from e2e.web.clips import joined
from e2e.web.conftest import MakeGateway, Visit
from e2e.web.tab import MANIPULATED, SAMPLES, Tab
from playwright.sync_api import Page, expect

from serving.settings import ROOT

pytestmark = pytest.mark.server

SPEEDS = ROOT / "results" / "page" / "speed.txt"
FIRST_LOAD_BYTES = 300_000
DRAWN_MS, FAR_OFF_MS = 200.0, 2000.0
LONG_TASK_MS = 50.0
THREE_SAMPLES_S = 22.0

TRANSFERRED = """[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
  .map(({name, transferSize}) => [name, transferSize])"""
# Notes when the verdict is in the list, when its link is followed, and when the charts stand.
NOTE_TIMES = """() => {
  const times = window.noted = {};
  addEventListener("click", () => (times.opened = performance.now()), {capture: true});
  const look = () => {
    const now = performance.now();
    if (!times.listed && document.querySelector(".job.done")) times.listed = now;
    if (document.querySelector('[data-plot="map"] canvas')) times.drawn = now;
    else requestAnimationFrame(look);
  };
  look();
}"""
ANSWERED = (
    'performance.getEntriesByType("resource").findLast(({name}) => name.endsWith("/v1/detect")).responseEnd'
)
WATCH_TASKS = """() => {
  window.tasks = [];
  new PerformanceObserver((list) => {
    for (const {duration} of list.getEntries()) tasks.push(duration);
  }).observe({type: "longtask"});
}"""

Tell = Callable[[str], None]


@pytest.fixture(scope="module")
def speeds() -> Path:
    """The file of this run's measurements: where tests run side by side, nobody sees what they say."""
    SPEEDS.parent.mkdir(parents=True, exist_ok=True)
    SPEEDS.write_text("")
    return SPEEDS


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str], speeds: Path) -> Tell:
    """Says a measurement to whoever runs the tests, and writes it down."""

    def say(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n  {line}")
        with speeds.open("a") as file:
            file.write(f"{line}\n")

    return say


def stretched(answer: dict[str, Any], seconds: float) -> dict[str, Any]:
    """The answer for a video in which this one is shown again and again."""
    length = float(answer["media"]["duration_s"])
    times = round(seconds / length)

    def shifted(entries: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
        return [
            {**entry, **{name: entry[name] + turn * length for name in names}}
            for turn in range(times)
            for entry in entries
        ]

    tracks = [
        {**track, "end": track["end"] + (times - 1) * length, "boxes": track["boxes"] * times}
        for track in answer["tracks"]
    ]
    return {
        **answer,
        "media": {**answer["media"], "duration_s": times * length},
        "delays": answer["delays"] * times,
        "features": answer["features"] * times,
        "segments": shifted(answer["segments"], "start", "end"),
        "frames": shifted(answer["frames"], "time"),
        "tracks": tracks,
    }


def judge_stretched(tab: Tab, seconds: float, folder: Path) -> None:
    """Have a sample judged, and then a longer video answered alike: no server is waited for so long."""
    with tab.page.expect_response("**/v1/detect") as told:
        tab.choose(MANIPULATED)
    answer = json.dumps(stretched(told.value.json(), seconds))
    tab.verdict(MANIPULATED.name)
    tab.button("job.remove", name=MANIPULATED.name).click()
    tab.page.route("**/v1/detect", lambda route: route.fulfill(body=answer, content_type="application/json"))
    tab.page.evaluate(NOTE_TIMES)
    names = ("another_voice", "synchronised", "shifted")
    parts = [SAMPLES / f"{name}.mp4" for name in names] * int(seconds / THREE_SAMPLES_S)
    tab.choose(joined(parts, folder / "long.mp4"))
    tab.verdict("long.mp4")


def drawn_after(tab: Tab) -> tuple[float, str]:
    """Milliseconds from the answer to its drawing, and where they go; the reader's own are left out."""
    answered = float(tab.page.evaluate(ANSWERED))
    tab.result("long.mp4")
    noted: dict[str, float] = tab.page.evaluate("noted")
    verdict, charts = noted["listed"] - answered, noted["drawn"] - noted["opened"]
    return (
        verdict + charts,
        f"{verdict + charts:.0f} ms ({verdict:.0f} to the verdict, {charts:.0f} to its charts)",
    )


def test_a_first_visit_is_small(visit: Visit, tell: Tell) -> None:
    tab = visit()
    tab.page.wait_for_load_state("networkidle")
    transferred = dict(tab.page.evaluate(TRANSFERRED))
    total = sum(transferred.values())
    tell(f"first visit: {total / 1000:.0f} kB of {FIRST_LOAD_BYTES / 1000:.0f} in {len(transferred)} files")
    assert len(transferred) >= 3
    assert 0 < total < FIRST_LOAD_BYTES


def test_a_minute_is_drawn_at_once(
    visit: Visit, make_gateway: MakeGateway, tmp_path: Path, tell: Tell
) -> None:
    tab = visit(url=make_gateway(session=None).url)  # without jobs: its answer is easily another's
    judge_stretched(tab, 60.0, tmp_path)
    drawn, words = drawn_after(tab)
    tell(f"a minute's result: {words}; {DRAWN_MS:.0f} are meant on an idle machine")
    assert drawn < FAR_OFF_MS


def test_ten_minutes_scroll_and_seek(
    visit: Visit, make_gateway: MakeGateway, tmp_path: Path, tell: Tell
) -> None:
    tab = visit(url=make_gateway(session=None).url, viewport={"width": 1280, "height": 900})
    judge_stretched(tab, 590.0, tmp_path)

    def open_result(_: Page) -> None:
        tell(f"ten minutes' result: {drawn_after(tab)[1]}")
        expect(tab.page.locator('[data-plot="speech"] canvas')).to_be_visible()

    for move, say in ((open_result, "opening"), (scroll, "scrolling"), (seek, "seeking")):
        tab.page.evaluate(WATCH_TASKS)
        move(tab.page)
        tab.page.wait_for_timeout(200)
        tasks: list[float] = tab.page.evaluate("tasks")
        over = [task for task in tasks if task > LONG_TASK_MS]
        longest = max(tasks, default=0.0)
        tell(f"{say}: {len(over)} tasks over {LONG_TASK_MS:.0f} ms, the longest {longest:.0f} ms")
    assert tab.playing_moment() > 500


def scroll(page: Page) -> None:
    """Down and up again, as with a wheel."""
    page.mouse.move(640, 450)
    places = []
    for step in [300] * 12 + [-300] * 12:
        page.mouse.wheel(0, step)
        page.wait_for_timeout(30)
        places.append(page.evaluate("scrollY"))
    assert max(places) > 500


def seek(page: Page) -> None:
    """All over the map, and on by keys."""
    over = page.locator('[data-plot="map"] .u-over')
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    assert box is not None
    for place in range(1, 20):
        page.mouse.move(box["x"] + box["width"] * place / 20, box["y"] + box["height"] / 2, steps=4)
        page.mouse.down()
        page.mouse.up()
        page.wait_for_timeout(30)
    for key in ["ArrowRight"] * 10:
        page.keyboard.press(key)
