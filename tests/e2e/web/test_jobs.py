"""Videos as jobs of the server's: a break costs little, and they are judged whether a tab is open or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from e2e.web.clips import padded
from e2e.web.conftest import GatewayOfOurs, MakeGateway, Served, Visit, gateway_before
from e2e.web.pretended import JOB, pretend, pretend_progress, says
from e2e.web.tab import ANSWER_MS, GENUINE, HAND_IN, Tab
from e2e.web.test_judging import AFTER_UPLOAD
from e2e.web.test_result import exported
from fault_proxy import FaultProxy, Reset
from playwright.sync_api import Request, expect

from gateway import keys

pytestmark = pytest.mark.server

SIZE = 1_000_000  # of a file that takes a while to be sent, in bytes
BREAK = int(0.8 * SIZE)
CONNECTIONS = 20  # more than the page opens
NAMES = iter(f"tester-{number}" for number in range(100))
LOSE_FILES = """() => new Promise((resolve) => {
  const opening = indexedDB.open("outofsync");
  opening.onsuccess = () => {
    const clearing = opening.result.transaction("files", "readwrite");
    clearing.objectStore("files").clear();
    clearing.oncomplete = () => { opening.result.close(); resolve(); };
  };
})"""


@dataclass(frozen=True)
class Keyed:
    """A gateway that asks for keys, as an edge does."""

    gateway: GatewayOfOurs

    @property
    def url(self) -> str:
        return self.gateway.url

    def new_key(self) -> str:
        """The key of somebody who has handed nothing in."""
        file = self.gateway.settings.keys
        assert file is not None
        return keys.add(file, next(NAMES))

    def jobs(self, key: str) -> list[dict[str, Any]]:
        """What it keeps for a key."""
        answer = requests.get(f"{self.url}/v1/jobs", headers={"X-Api-Key": key}, timeout=60)
        found: list[dict[str, Any]] = answer.json()["jobs"]
        return found


@pytest.fixture(scope="module")
def keyed(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    folder = tmp_path_factory.mktemp("keyed")
    gateway = gateway_before(served, folder, keys=folder / "keys.json")
    gateway.start()
    yield Keyed(gateway)
    gateway.stop()


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A file that nobody has had judged."""
    return padded(GENUINE, SIZE - GENUINE.stat().st_size, tmp_path / "interview.mp4")


def asked_of(tab: Tab) -> list[Request]:
    """What the page asks from now on, whatever is loaded; it grows."""
    found: list[Request] = []
    tab.page.context.on("request", lambda request: found.append(request))
    return found


def paths(asked: list[Request], method: str) -> list[str]:
    return [one.url.split("/v1/", 1)[1] for one in asked if one.method == method and "/v1/" in one.url]


def expect_little_sent_anew(proxy: FaultProxy) -> None:
    """An upload broke off, and another request had only the rest to send."""
    pieces = [one for one in proxy.asked if one.line.startswith("PATCH ")]
    broken = [one for one in pieces if len(one.body) < int(one.headers["content-length"])]
    stood, sent = max((int(one.headers["upload-offset"]), len(one.body)) for one in pieces)
    assert broken
    assert stood > 0.5 * SIZE
    assert stood + sent == SIZE


def test_a_file_becomes_a_job(visit: Visit, keyed: Keyed, clip: Path) -> None:
    tab, key = visit(url=keyed.url), keyed.new_key()
    asked = asked_of(tab)
    tab.use_key(key)
    tab.choose(clip)
    verdict = tab.verdict(clip.name)
    (job,) = keyed.jobs(key)
    assert (job["state"], job["file"], job["verdict"]) == ("done", clip.name, verdict)
    assert job["options"]["include"] == ["delays", "features", "frames", "tracks"]
    posted = paths(asked, "POST")
    assert [path.partition("?")[0] for path in posted] == ["uploads", "jobs"]
    tab.open("#/history")
    tab.use_key(key)
    expect(tab.cards(clip.name, "both")).to_have_count(1)
    expect(tab.cards()).to_have_count(1)


def test_an_upload_that_breaks_goes_on(visit: Visit, keyed: Keyed, clip: Path) -> None:
    with FaultProxy(keyed.url, *[Reset(BREAK)] * CONNECTIONS) as proxy:
        tab = visit(url=proxy.url)
        tab.use_key(keyed.new_key())
        tab.choose(clip)
        expect(tab.job(clip.name)).to_contain_text(tab.say("error.connection_lost"))
        tab.verdict(clip.name)
        expect_little_sent_anew(proxy)
        tab.page.close()


def test_a_file_that_is_chosen_again_after_a_reload_goes_on(visit: Visit, keyed: Keyed, clip: Path) -> None:
    """Where the browser has lost the file: one that it still has goes on without being chosen."""
    key = keyed.new_key()
    with FaultProxy(keyed.url, *[Reset(BREAK)] * CONNECTIONS) as proxy:
        tab = visit(url=proxy.url)
        tab.use_key(key)
        tab.choose(clip)
        expect(tab.job(clip.name)).to_contain_text(tab.say("error.connection_lost"))
        tab.page.evaluate(LOSE_FILES)
        tab.open()
        tab.use_key(key)
        tab.failure(clip.name, "file_gone")
        tab.choose(clip)
        expect(tab.opener(clip.name)).to_be_visible(timeout=ANSWER_MS)
        expect_little_sent_anew(proxy)
        tab.page.close()


def test_a_tab_that_is_closed_misses_nothing(visit: Visit, clip: Path) -> None:
    tab = visit()
    asked = asked_of(tab)
    with tab.page.expect_response(HAND_IN):
        tab.choose(clip)
    expect(tab.job(clip.name).locator("[aria-current=step]")).to_have_text(AFTER_UPLOAD)
    again = tab.another("#/history")
    tab.page.close()
    again.open()
    again.verdict(clip.name)
    assert len(paths(asked, "POST")) == 2  # one upload, one job


def test_what_is_cancelled_ends_at_the_server(
    visit: Visit, served: Served, longer: Path, tmp_path: Path
) -> None:
    tab = visit()
    longer = padded(longer, 100, tmp_path / "cancelled.mp4")
    with tab.page.expect_response(HAND_IN) as told:
        tab.choose(longer)
    job = f"{served.url}{told.value.headers['location']}"
    tab.button("job.cancel", name=longer.name).click()
    expect(tab.job(longer.name)).to_contain_text(tab.say("job.cancelled"))
    assert requests.get(job, headers=served.headers, timeout=60).json()["state"] == "cancelled"
    tab.button("job.remove", name=longer.name).click()
    expect(tab.jobs()).to_have_count(0)
    expect_gone(job, served.headers)


def expect_gone(job: str, headers: dict[str, str]) -> None:
    """Wait until a server knows nothing of a job."""
    while requests.get(job, headers=headers, timeout=60).status_code != 404:
        pass


def test_the_history_is_that_of_the_key(visit: Visit, keyed: Keyed, clip: Path) -> None:
    """Handed in by a program, found by a browser that has never seen the video."""
    key = keyed.new_key()
    headers = {"X-Api-Key": key}
    handed_in = requests.post(
        f"{keyed.url}/v1/jobs?file={clip.name}", data=clip.read_bytes(), headers=headers, timeout=60
    )
    job = f"{keyed.url}{handed_in.headers['Location']}"
    waited = requests.get(job, headers={**headers, "Prefer": "wait=60"}, timeout=120).json()
    assert waited["state"] == "done"

    tab = visit(url=f"{keyed.url}")
    tab.open("#/history")
    expect(tab.page.get_by_text(tab.say("history.key"))).to_be_visible()
    tab.use_key(key)
    expect(tab.cards(clip.name, "there")).to_contain_text(tab.say(f"verdict.{waited['verdict']}"))

    verdicts = tab.page.get_by_label(tab.say("history.verdict"), exact=True)
    verdicts.select_option("inconclusive")
    expect(tab.page.get_by_text(tab.say("history.none"))).to_be_visible()
    verdicts.select_option(waited["verdict"])
    tab.page.get_by_label(tab.say("history.state"), exact=True).select_option("done")
    expect(tab.cards(clip.name)).to_have_count(1)

    tab.page.get_by_role("link", name=clip.name).click()
    tab.drawn()
    expect(tab.page.get_by_role("heading", name=clip.name)).to_be_visible()
    expect(tab.page.get_by_text(tab.say("player.elsewhere"))).to_be_visible()
    expect(tab.page).to_have_title(f"{clip.name} · OutOfSync")
    tab.page.go_back()

    bin_ = tab.button("job.remove", name=clip.name)
    bin_.click()
    dialog = tab.page.get_by_role("dialog", name=tab.say("forget.title", name=clip.name))
    expect(dialog).to_be_visible()
    tab.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(bin_).to_be_focused()
    assert len(keyed.jobs(key)) == 1
    bin_.click()
    tab.button("forget.everywhere").click()
    expect(tab.cards()).to_have_count(0)
    assert keyed.jobs(key) == []


def test_a_long_history_comes_in_pages(visit: Visit, keyed: Keyed) -> None:
    """Newest first; what was not a video has failed, and is told as what it is."""
    key = keyed.new_key()
    for number in range(30):
        requests.post(
            f"{keyed.url}/v1/jobs?file=clip-{number:02}.mp4",
            data=b"no video at all",
            headers={"X-Api-Key": key},
            timeout=60,
        )
    tab = visit(url=keyed.url)
    tab.open("#/history")
    tab.use_key(key)
    expect(tab.cards()).to_have_count(24)
    expect(tab.cards().first).to_contain_text("clip-29.mp4")
    tab.button("history.more").click()
    expect(tab.cards()).to_have_count(30)
    expect(tab.cards().last).to_contain_text("clip-00.mp4")
    expect(tab.button("history.more")).to_have_count(0)


def test_a_server_without_jobs_is_asked_as_before(visit: Visit, make_gateway: MakeGateway) -> None:
    tab = visit(url=make_gateway(session=None).url)
    asked = asked_of(tab)
    with tab.page.expect_response("**/v1/detect") as told:
        tab.choose(GENUINE)
    tab.verdict(GENUINE.name)
    tab.result(GENUINE.name)
    assert exported(tab, tab.say("export.json")).read_bytes() == told.value.body()
    tab.open("#/history")
    expect(tab.cards(GENUINE.name)).to_have_count(1)
    expect(tab.page.get_by_label(tab.say("history.verdict"), exact=True)).to_have_count(0)
    assert paths(asked, "POST") == ["detect"]
    assert {path.partition("/")[0] for path in paths(asked, "GET")} == {"requests"}


@pytest.mark.parametrize("language", ["en", "de"])
def test_how_long_it_still_takes_is_told(visit: Visit, language: str) -> None:
    tab = visit(language=language)
    pretend(tab)
    pretend_progress(tab, stage="faces", done=0.5, remaining_s=41)
    tab.choose(GENUINE)
    expect(tab.job(GENUINE.name)).to_contain_text(tab.say("remaining.seconds", count=40))


def error(code: str) -> dict[str, Any]:
    return {"error": {"code": code, "stage": "edge", "message": "", "hint": "", "request_id": "a"}}


def refuse(tab: Tab) -> None:
    tab.page.context.route("**/v1/uploads", lambda route: says(route, 429, error("busy"), Retry_After="30"))


def lose(tab: Tab) -> None:
    pretend(tab)
    tab.page.context.route(f"**/v1/jobs/{JOB}", lambda route: says(route, 404, error("not_found")))


def fail(tab: Tab) -> None:
    pretend(tab, state="failed", failure={"code": "no_audio", "message": "", "hint": "", "status": 422})


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize(
    ("befall", "keys_"),
    [
        (refuse, ["error.busy.429"]),
        (lose, ["error.job_gone", "hint.page.job_gone"]),
        (fail, ["error.no_audio", "hint.no_audio"]),
        (lambda tab: pretend(tab, state="expired"), ["error.job_expired", "hint.page.job_expired"]),
        (lambda tab: pretend(tab, state="cancelled"), ["job.cancelled"]),
    ],
    ids=["too many", "gone", "failed", "expired", "cancelled"],
)
def test_what_befalls_a_job_is_told(
    visit: Visit, befall: Callable[[Tab], None], keys_: list[str], language: str
) -> None:
    tab = visit(language=language)
    befall(tab)
    tab.choose(GENUINE)
    for key in keys_:
        expect(tab.job(GENUINE.name)).to_contain_text(tab.say(key))
    if befall is refuse:
        expect(tab.job(GENUINE.name)).to_contain_text("30 s")
