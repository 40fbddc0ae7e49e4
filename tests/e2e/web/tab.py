"""What somebody at the page does: hand videos in, wait for verdicts, look at results."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from media_factory import beginning
from playwright.sync_api import ConsoleMessage, FilePayload, Locator, Page, Request, WebError, expect

from serving.settings import ROOT

SAMPLES = ROOT / "samples"
SECONDS = 4.0  # of a sample: enough for a verdict
_FOLDER = TemporaryDirectory(prefix="outofsync-clips-")  # ends with the tests
GENUINE, MANIPULATED = (Path(_FOLDER.name) / name for name in ("synchronised.mp4", "another_voice.mp4"))
for _video in (GENUINE, MANIPULATED):
    _video.write_bytes(beginning(SAMPLES / _video.name, SECONDS))
HAND_IN = re.compile(r"/v1/jobs\?upload=")  # an upload becomes a job
ANSWER_MS = 300_000.0  # ends a hang; nothing is expected of it
VERDICTS = ("real", "likely_real", "likely_fake", "fake", "inconclusive")

_TEXTS = ROOT / "client" / "web" / "src" / "texts"
_SDK: dict[str, str] = json.loads((_TEXTS / "sdk.json").read_text())
TEXTS: dict[str, dict[str, str]] = {
    "en": json.loads((_TEXTS / "en.json").read_text()) | _SDK,
    "de": json.loads((_TEXTS / "de.json").read_text()),
}

DROP = """(zone, files) => {
  const carried = new DataTransfer();
  for (const {name, type, content} of files) {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    carried.items.add(new File([bytes], name, {type}));
  }
  for (const event of ["dragenter", "dragover", "drop"]) {
    zone.dispatchEvent(new DragEvent(event, {dataTransfer: carried, bubbles: true, cancelable: true}));
  }
}"""


def say(key: str, language: str = "en", **values: object) -> str:
    """A text of the page, with its places filled."""
    text = TEXTS[language][key]
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text


def file_of(name: str, content: bytes, kind: str = "video/mp4") -> FilePayload:
    """A file that is nowhere on disk."""
    return {"name": name, "mimeType": kind, "buffer": content}


@dataclass
class Complaints:
    """What a page must never do: break its own policy, fail in a script, or call another host."""

    origin: str
    found: list[str] = field(default_factory=list)

    def on_console(self, message: ConsoleMessage) -> None:
        # A status of 4xx or 5xx is told by the browser, too; the page says what it means.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.found.append(f"console: {message.text}")

    def on_error(self, error: WebError) -> None:
        self.found.append(f"error: {error.error}")

    def on_request(self, request: Request) -> None:
        if not request.url.startswith((f"{self.origin}/", "blob:", "data:")):
            self.found.append(f"another host: {request.url}")

    def on_policy(self, violation: str) -> None:
        self.found.append(f"policy: {violation}")


class Tab:
    """One tab that shows the page."""

    def __init__(self, page: Page, url: str, language: str = "en") -> None:
        self.page = page
        self.url = url
        self.language = language
        page.on("filechooser", lambda _: None)  # from now on, so that none is missed when one is waited for

    def another(self, where: str = "#/") -> Tab:
        """A second tab of the same browser."""
        return Tab(self.page.context.new_page(), self.url, self.language).open(where)

    def say(self, key: str, **values: object) -> str:
        return say(key, self.language, **values)

    def open(self, where: str = "#/") -> Tab:
        """Load the page anew, at an address within it."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.url}/{where}")
        expect(self.page.get_by_role("main")).to_be_visible()
        return self

    def button(self, key: str, **values: object) -> Locator:
        found = self.page.get_by_role("button", name=self.say(key, **values), exact=True)
        return found.and_(self.page.locator("button, summary"))

    def choose(self, *files: Path | FilePayload) -> None:
        """Hand files in by the browser's own dialogue."""
        with self.page.expect_file_chooser() as opened:
            self.button("drop.choose").click()
        opened.value.set_files(list(files))  # type: ignore[arg-type]  # all of one kind

    def drop(self, files: Sequence[Path], kind: str = "video/mp4") -> None:
        """Hand files in by dragging them onto the page."""
        carried = [
            {"name": file.name, "type": kind, "content": base64.b64encode(file.read_bytes()).decode()}
            for file in files
        ]
        self.page.locator(".drop").evaluate(DROP, carried)

    def jobs(self) -> Locator:
        """Every video that was handed in, the newest first."""
        queue = self.page.get_by_role("region", name=self.say("queue.title"))
        return queue.locator("ul > li")

    def job(self, name: str) -> Locator:
        return self.jobs().filter(has=self.page.get_by_text(name, exact=True))

    def cards(self, name: str = "", where: str = "") -> Locator:
        """What the history shows of a name, and of what is kept in one place ("here", "there", "both")."""
        found = self.page.locator(".cards > li").filter(has_text=name)
        return found.filter(has_text=self.say(f"past.where.{where}")) if where else found

    def use_key(self, key: str) -> None:
        self.page.get_by_label(self.say("key.label")).fill(key)
        self.button("key.use").click()

    def opener(self, name: str) -> Locator:
        """The link to the result of a video."""
        return self.job(name).get_by_role("link", name=self.say("job.open.label", name=name), exact=True)

    def verdict(self, name: str) -> str:
        """Wait for the verdict on a video; its code."""
        job = self.job(name)
        expect(self.opener(name)).to_be_visible(timeout=ANSWER_MS)
        shown = job.inner_text()
        # "Likely real" holds "real" in other letters: the longest word that is there is meant
        words = sorted(VERDICTS, key=lambda code: -len(self.say(f"verdict.{code}")))
        return next(code for code in words if self.say(f"verdict.{code}") in shown)

    def result(self, name: str) -> None:
        """Open the result of a video and wait until it is drawn."""
        self.opener(name).click()
        self.drawn()

    def drawn(self) -> None:
        expect(self.page.locator('[data-plot="map"] canvas')).to_be_visible()

    def timeline(self) -> Locator:
        return self.page.get_by_role("slider", name=self.say("timeline.label"))

    def playing_moment(self) -> float:
        """Seconds into the video."""
        return float(self.page.locator("video").evaluate("video => video.currentTime"))

    def wait_until(self, expression: str) -> None:
        """Until an expression of JavaScript holds. The browser's own way would break the page's policy."""
        deadline = time.monotonic() + ANSWER_MS / 1000
        while not self.page.evaluate(expression):
            assert time.monotonic() < deadline, f"in vain: {expression}"
            self.page.wait_for_timeout(50)

    def failure(self, name: str, code: str) -> str:
        """Wait until a video is listed with the words of this error, and what to do; all that is shown."""
        job = self.job(name)
        hint = TEXTS[self.language].get(f"hint.page.{code}") or self.say(f"hint.{code}")
        expect(job).to_contain_text(hint, timeout=ANSWER_MS)
        return job.inner_text()
