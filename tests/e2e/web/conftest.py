"""The page as ``make web`` serves it, and a browser to look at it with."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from browser import FLAGS, chromium
from e2e.web.clips import joined
from e2e.web.tab import GENUINE, MANIPULATED, SAMPLES, Complaints, Tab
from playwright.sync_api import Browser, expect, sync_playwright

from benchmarks.ports import free_port
from gateway.jobs.settings import JobSettings
from gateway.settings import GatewaySettings
from outofsync_client.protocol import LOOPBACK
from serving.settings import ROOT, to_document

ACTION_MS = 60_000.0  # ends a hang; nothing is expected of it
expect.set_options(timeout=ACTION_MS)
TELL_POLICY = """addEventListener("securitypolicyviolation", ({violatedDirective, blockedURI}) =>
  tellPolicy(`${violatedDirective}: ${blockedURI}`))"""

Visit = Callable[..., Tab]
MakeGateway = Callable[..., "GatewayOfOurs"]


@dataclass(frozen=True)
class Served:
    """The page of ``make web``."""

    url: str
    state: Path
    process: psutil.Popen

    @property
    def headers(self) -> dict[str, str]:
        """What lets a program ask as the page does."""
        return {"X-Api-Key": (self.state / "web" / "session").read_text()}

    @property
    def server_state(self) -> Path:
        """State folder of the server that it started."""
        return self.state / "web" / "server"

    def gateway(self) -> psutil.Process:
        (found,) = (one for one in self.process.children() if "gateway" in one.cmdline())
        return found


@dataclass
class GatewayOfOurs:
    """Another gateway before the same server, which a test may do anything to. The page has its token."""

    settings: GatewaySettings
    process: psutil.Popen | None = None

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.settings.port}"

    def start(self) -> None:
        told = to_document(self.settings)
        self.process = psutil.Popen([sys.executable, "-m", "gateway", "--settings", told], cwd=ROOT)
        while not is_ready(self.url):
            assert self.process.poll() is None, "the gateway ended before it was ready"
            time.sleep(0.1)

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


def gateway_before(served: Served, folder: Path, **choices: Any) -> GatewayOfOurs:
    """One that keeps what it has in a folder; with a session, unless it is given keys or ``session=None``."""
    session = None if "keys" in choices else folder / "session"
    jobs = JobSettings(folder=folder / "jobs")
    own: dict[str, Any] = {"keys": None, "session": session, "port": free_port(), "jobs": jobs}
    return GatewayOfOurs(GatewaySettings(states=(served.server_state,), **(own | choices)))


def is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/v1/health", timeout=30).status_code == 200
    except requests.ConnectionError:
        return False


@pytest.fixture
def make_gateway(served: Served, tmp_path: Path) -> Iterator[MakeGateway]:
    """Starts gateways with settings of a test's own."""
    with ExitStack() as left:

        def make(**choices: Any) -> GatewayOfOurs:
            gateway = gateway_before(served, tmp_path, **choices)
            left.callback(gateway.stop)
            gateway.start()
            return gateway

        yield make


@pytest.fixture(scope="package")
def served(model_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One page for all, before a server with the networks that ship: its verdicts are what readers see."""
    state, port = tmp_path_factory.mktemp("page"), free_port()
    words = ["--state", state, "--model-store", model_store, "--port", port, "--no-browser"]
    process = psutil.Popen(
        [sys.executable, "-m", "serving.web", *map(str, words)], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    ready = state / "web" / "page.json"
    while not ready.exists():
        assert process.poll() is None, "the page ended before it was ready"
        time.sleep(0.1)
    yield Served(json.loads(ready.read_text())["url"], state, process)
    process.terminate()
    assert process.wait() == 0, "the page has been ended by somebody else"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium. A module's alone: as long as it is open, this thread has an event loop."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield launched
        launched.close()


@contextmanager
def visiting(browser: Browser, url: str, **choices: Any) -> Iterator[Tab]:
    """A reader with an empty browser of their own; nothing may be complained of while it is open."""
    language = choices.pop("language", "en")
    told = {"locale": f"{language}-{language.upper()}", "ignore_https_errors": True, "accept_downloads": True}
    with browser.new_context(**{**told, **choices}) as context:
        complaints = Complaints(url)
        context.set_default_timeout(ACTION_MS)
        context.expose_function("tellPolicy", complaints.on_policy)
        context.add_init_script(TELL_POLICY)
        context.on("console", complaints.on_console)
        context.on("weberror", complaints.on_error)
        context.on("request", complaints.on_request)
        yield Tab(context.new_page(), url, language)
        assert complaints.found == []


@pytest.fixture
def visit(browser: Browser, served: Served) -> Iterator[Visit]:
    """Opens the page in a browser that has never seen it."""
    with ExitStack() as left:

        def begin(*, url: str = served.url, opened: bool = True, **choices: Any) -> Tab:
            tab = left.enter_context(visiting(browser, url, **choices))
            return tab.open() if opened else tab

        yield begin


@pytest.fixture(scope="module")
def judged(browser: Browser, served: Served) -> Iterator[Tab]:
    """A browser in which a genuine and a manipulated video have been judged, for all tests of a module."""
    with visiting(browser, served.url, viewport={"width": 1280, "height": 900}) as tab:
        tab.open().choose(*(SAMPLES / video.name for video in (GENUINE, MANIPULATED)))
        for video in (GENUINE, MANIPULATED):
            tab.verdict(video.name)
        yield tab


@pytest.fixture(scope="session")
def longer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video that takes a while."""
    parts = [SAMPLES / f"{name}.mp4" for name in ("synchronised", "another_voice", "shifted")]
    return joined(parts, tmp_path_factory.mktemp("clips") / "longer.mp4")
