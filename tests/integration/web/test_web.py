"""``make web``: from nothing to a page that judges, and nothing left when it ends."""

from __future__ import annotations

import html
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from benchmarks.ports import free_port
from serving.lifecycle import running
from serving.settings import ROOT, ServerSettings
from serving.state import ServerState, StateFolder

pytestmark = pytest.mark.server

SAMPLE = ROOT / "samples" / "synchronised.mp4"
ANSWER_S = 300.0


@dataclass
class LivePage:
    """A page that is served, and the process that serves it."""

    url: str
    process: subprocess.Popen[str]
    state: Path

    def token(self) -> str:
        page = requests.get(self.url, timeout=ANSWER_S).text
        found = re.search(r'name="outofsync-config"\s+content="([^"]*)"', page)
        assert found is not None
        return str(json.loads(html.unescape(found[1]))["session"])

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token()}"}

    def detect(self) -> requests.Response:
        form = {"data": ("video", SAMPLE.read_bytes())}
        return requests.post(f"{self.url}/v1/detect", headers=self.headers(), files=form, timeout=ANSWER_S)

    def family(self) -> list[psutil.Process]:
        """What it runs: the gateway, and the server where it has one of its own."""
        own = StateFolder(self.state / "web" / "server")
        started = own.processes()
        children = psutil.Process(self.process.pid).children(recursive=True)
        return list({process.pid: process for process in [*started, *children]}.values())

    def gateway(self) -> psutil.Process:
        (found,) = (one for one in self.family() if "gateway" in one.cmdline())
        return found


MakePage = Callable[..., LivePage]


def command(state: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "serving.web", "--state", str(state), "--no-browser", *words]


def wait_for(condition: Callable[[], object]) -> None:
    """Until something is so; a test that waits in vain ends by the suite's own limit."""
    while not condition():
        time.sleep(0.1)


@pytest.fixture
def make_page(small_store: Path) -> Iterator[MakePage]:
    """Serves pages from a state folder, by a server of their own unless one runs there."""
    with ExitStack() as left:

        def make(state: Path) -> LivePage:
            port = free_port()
            words = ("--port", str(port), "--model-store", str(small_store))
            both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
            process = left.enter_context(
                subprocess.Popen(command(state, *words), cwd=ROOT, text=True, **both)  # type: ignore[call-overload]
            )
            left.callback(process.terminate)
            page = LivePage(f"http://127.0.0.1:{port}", process, state)
            ready = state / "web" / "page.json"
            wait_for(lambda: ready.exists() or process.poll() is not None)
            assert process.poll() is None, process.stdout.read()
            assert json.loads(ready.read_text())["url"] == page.url
            return page

        yield make


@pytest.fixture(scope="module")
def server(small_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerState]:
    """A server that ``make serve`` started, in the state folder beside it."""
    settings = ServerSettings(
        state=tmp_path_factory.mktemp("serve"), model_store=small_store, plain_models=False
    )
    with running(settings) as state:
        yield state


@pytest.fixture
def served(server: ServerState) -> Path:
    """The state folder of that server."""
    (link,) = (
        Path(word)
        for word in psutil.Process(server.pid).cmdline()
        for word in re.findall(r'"state": "([^"]+)"', word)
    )
    return link


def test_from_nothing_to_a_verdict_and_back(make_page: MakePage, tmp_path: Path) -> None:
    page = make_page(tmp_path)
    assert page.detect().json()["verdict"]
    token = page.token()

    java = StateFolder(tmp_path / "web" / "server").processes()[1]
    java.kill()
    assert page.detect().status_code in (200, 503), "its supervisor starts it again; meanwhile it is busy"
    wait_for(lambda: page.detect().status_code == 200)
    assert page.token() == token

    family = page.family()
    assert len(family) >= 3
    page.process.send_signal(signal.SIGINT)
    said, _ = page.process.communicate()
    assert page.process.returncode == 0
    assert f"{page.url}/" in said
    assert token not in said
    assert psutil.wait_procs(family, timeout=60)[1] == []
    assert not (tmp_path / "web" / "session").exists()


def test_a_server_that_runs_is_taken_and_left_running(
    make_page: MakePage, served: Path, server: ServerState
) -> None:
    page = make_page(served)
    assert [one for one in page.family() if "java" in one.name()] == []
    assert page.detect().status_code == 200
    page.process.send_signal(signal.SIGHUP)  # its terminal was closed
    assert page.process.wait() == 0
    assert psutil.pid_exists(server.pid)
    assert StateFolder(served).server() == server


def test_its_jobs_lie_in_its_own_folder_and_outlive_it(make_page: MakePage, served: Path) -> None:
    """Those of an edge before the same server are others."""
    page = make_page(served)
    video = SAMPLE.read_bytes()
    taken = requests.post(f"{page.url}/v1/jobs", data=video, headers=page.headers(), timeout=ANSWER_S)
    assert taken.status_code == 202
    page.process.send_signal(signal.SIGINT)
    assert page.process.wait() == 0
    assert (served / "web" / "jobs").is_dir()
    assert not (served / "jobs").exists()

    again = make_page(served)
    waiting = {**again.headers(), "Prefer": "wait=60"}
    job = f"{again.url}{taken.headers['Location']}"
    wait_for(lambda: requests.get(job, headers=waiting, timeout=ANSWER_S).json()["state"] == "done")


def test_a_gateway_that_is_killed_comes_back(make_page: MakePage, served: Path) -> None:
    page = make_page(served)
    token, before = page.token(), page.gateway()
    before.kill()

    def is_back() -> bool:
        try:
            return page.token() == token
        except requests.ConnectionError:
            return False

    wait_for(is_back)
    assert page.gateway().pid != before.pid


def test_what_a_killed_page_left_ends_at_the_next(make_page: MakePage, served: Path) -> None:
    page = make_page(served)
    left = page.gateway()
    page.process.kill()
    page.process.wait()
    assert left.is_running()
    (served / "web" / "page.json").unlink()
    again = make_page(served)
    assert psutil.wait_procs([left], timeout=60)[1] == []
    assert again.detect().status_code == 200


def run(*words: Any, state: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(state, *map(str, words)), cwd=ROOT, capture_output=True, text=True)


def test_it_is_served_once(make_page: MakePage, served: Path) -> None:
    page = make_page(served)
    done = run(state=served)
    assert done.returncode == 1
    assert f"the page is served already at {page.url}/" in done.stderr
    assert page.detect().status_code == 200


def test_a_port_that_is_taken_is_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("--port", taken.getsockname()[1], state=tmp_path)
    assert done.returncode == 1
    assert "choose another: make web WEB_PORT=" in done.stderr
    assert done.stdout == ""


def test_archives_that_are_missing_are_a_sentence(tmp_path: Path) -> None:
    done = run("--port", free_port(), "--model-store", tmp_path / "none", state=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "web" / "page.json").exists()
