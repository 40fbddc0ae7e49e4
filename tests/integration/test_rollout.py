"""A version of the pipeline takes over while the server is asked, hands back, and nobody loses an answer."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event, Semaphore
from typing import Any, Self

import pytest
import requests
import torch
from media_factory import Media
from server_fixture import ANSWER_S, LiveServer, MakeServer
from untrained import EMBEDDING, scoring_checkpoint, sync_checkpoint, write_checkpoints

from archives.build import build
from outofsync import __version__
from outofsync_client import Client
from serving.lifecycle import running, stop
from serving.rollout import Models, StepInProgressError, VersionFailedError
from serving.settings import ROOT, ServerSettings

pytestmark = pytest.mark.server

CLIENTS = 8
PAUSE_S = 1.0  # of each caller between two requests: they are always there, and leave work some room
NEW = "2.0"
VIDEO = Media(frames=20).to_bytes()


def new_checkpoint(folder: Path) -> Path:
    """Weights of the ensemble alone, other than those that serve."""
    torch.manual_seed(2)
    sync_checkpoint().save(folder / "sync.safetensors")
    scoring_checkpoint(2 * EMBEDDING).save(folder / "scoring.safetensors")
    return folder


class Clients:
    """Callers who ask one request after the other for as long as the block lasts."""

    def __init__(self, server: LiveServer) -> None:
        self.answered: list[str] = []  # which weights answered, in order
        self._server = server
        self._enough = Event()
        self._pool = ThreadPoolExecutor(CLIENTS)

    def __enter__(self) -> Self:
        self._clients = [self._pool.submit(self._ask) for _ in range(CLIENTS)]
        self.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for client in self._clients:
            client.result()  # raises what went wrong

    def wait(self, rounds: int = 2) -> None:
        """Until everybody may have been answered a few times more."""
        until = len(self.answered) + rounds * CLIENTS
        while len(self.answered) < until and not any(client.done() for client in self._clients):
            time.sleep(0.02)

    def _ask(self) -> None:
        while not self._enough.wait(PAUSE_S):
            self.answered.append(weights(judge(self._server)))


def judge(server: LiveServer, video: bytes = VIDEO) -> dict[str, Any]:
    """The result for a video's first frames, without looking for faces: the ensemble's work alone."""
    return server.detect(video, mode="reference", deblur="never")


def weights(result: dict[str, Any]) -> str:
    """Which synchronisation network judged."""
    assert "error" not in result, result
    sha256: str = result["models"]["ensemble"]["sync_sha256"]
    return sha256


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module")
def small_checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of both nodes."""
    return write_checkpoints(tmp_path_factory.mktemp("both"))


@pytest.fixture(scope="module")
def store(small_store: Path, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model store that holds a second version of the ensemble."""
    folder = shutil.copytree(small_store, tmp_path_factory.mktemp("rollout") / "store")
    build(checkpoint, folder, NEW)
    return folder


@pytest.fixture(scope="module")
def server(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The module's server; each test leaves it with its own version alone."""
    settings = ServerSettings(
        state=tmp_path_factory.mktemp("state"), model_store=store, plain_models=False, drain_s=60.0
    )
    with running(settings) as state:
        yield LiveServer(state, settings)


@pytest.fixture
def models(server: LiveServer) -> Models:
    return Models(server.settings.state, server.settings.model_store)


def loaded(models: Models) -> dict[str, bool | None]:
    return {one.version: one.ready for one in models.list() if one.role != "built"}


def test_a_version_lives_its_whole_life_under_load(server: LiveServer, models: Models) -> None:
    before = weights(judge(server))
    with Clients(server) as clients:
        for _ in range(2):
            models.register(NEW)
        clients.wait()
        assert set(clients.answered) == {before}, "a version that is only registered answers nobody"
        for _ in range(2):
            models.promote(NEW)
        after = weights(judge(server))
        assert after != before
        models.rollback()
        assert weights(judge(server)) == before
        models.promote(NEW)
        assert weights(judge(server)) == after
        clients.wait()
        for _ in range(2):
            models.retire(__version__)
        clients.wait()
        assert set(clients.answered[-CLIENTS:]) == {after}
        assert loaded(models) == {NEW: True}
        models.register(__version__)
        models.promote(__version__)
        models.retire(NEW)
        clients.wait()
        assert set(clients.answered[-CLIENTS:]) == {before}
    assert set(clients.answered) == {before, after}
    assert loaded(models) == {__version__: True}


def test_of_two_registrations_at_once_one_loads_the_version_and_the_other_is_told(
    server: LiveServer, models: Models
) -> None:
    """As from two terminals: nothing fails in the middle, and nothing is there twice."""
    start = Barrier(2)

    def register(_: int) -> str:
        own = Models(server.settings.state, server.settings.model_store)
        start.wait()
        try:
            own.register(NEW)
        except StepInProgressError as error:
            return error.code
        return "registered"

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(register, range(2)))
    assert outcomes == ["registered", StepInProgressError.default_code]
    assert loaded(models) == {__version__: True, NEW: True}
    models.register(NEW)  # again, as it was said to
    models.retire(NEW)
    assert loaded(models) == {__version__: True}


def test_a_version_is_scaled_under_load_and_nobody_loses_an_answer(
    server: LiveServer, models: Models
) -> None:
    """TorchServe breaks off what a worker is at that has to go; clients send that again."""

    def workers() -> list[int]:
        return [len(node.workers or ()) for node in models.describe(__version__).nodes]

    def judge_until_told() -> int:
        count = 0
        with Client.of_state(server.settings.state) as client:
            while not enough.is_set():
                assert client.detect(VIDEO, mode="reference", deblur="never").verdict
                count += 1
                answered.release()
                enough.wait(PAUSE_S)
        return count

    enough, answered = Event(), Semaphore(0)
    with ThreadPoolExecutor(CLIENTS) as pool:
        callers = [pool.submit(judge_until_told) for _ in range(CLIENTS)]
        try:
            for count in (2, 1):
                for _ in range(2 * CLIENTS):
                    answered.acquire(timeout=ANSWER_S)
                models.scale(__version__, count)
                assert workers() == [count, count]
        finally:
            enough.set()
    assert all(caller.result() for caller in callers)


def test_a_version_is_retired_once_its_last_request_is_answered(
    server: LiveServer, models: Models, small_checkpoints: Path
) -> None:
    build(small_checkpoints, server.settings.model_store, "4.0")
    models.register("4.0")
    models.promote("4.0")
    video = Media(frames=1500).to_bytes()
    marks = server.settings.state / "temporary" / "underway"
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(server.detect, video)
        while not list(marks.glob("deepfake__deblur-4.0-*")):
            assert not answer.done()
            time.sleep(0.01)
        models.rollback()
        models.retire("4.0")
        assert answer.done()
        assert "error" not in answer.result()
    assert loaded(models) == {__version__: True}


def test_a_version_that_does_not_load_touches_nobody(
    server: LiveServer, models: Models, checkpoint: Path, tmp_path: Path
) -> None:
    broken = shutil.copytree(checkpoint, tmp_path / "broken")
    (broken / "sync.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    build(broken, server.settings.model_store, "5.0")
    record = models.record()
    with Clients(server) as clients:
        with pytest.raises(VersionFailedError, match=r"ensemble 5\.0 does not load: .*sync\.safetensors"):
            models.register("5.0")
        clients.wait()
    assert len(set(clients.answered)) == 1
    assert models.record() == record
    assert loaded(models) == {__version__: True}


def test_a_restart_serves_what_was_promoted(store: Path, make_server: MakeServer, tmp_path: Path) -> None:
    store = shutil.copytree(store, tmp_path / "store")
    server = make_server(model_store=store)
    state = server.settings.state
    models = Models(state, store)
    models.register(NEW)
    models.promote(NEW)
    models.scale(NEW, 2, nodes=["ensemble"])
    promoted = weights(judge(server))
    assert stop(state, drain_s=10)
    assert weights(judge(make_server(state=state, model_store=store))) == promoted
    assert loaded(models) == {__version__: True, NEW: True}
    assert [len(node.workers or ()) for node in models.describe(NEW).nodes] == [1, 2]
    assert stop(state, drain_s=10)
    models.rollback()
    (store / f"ensemble-{NEW}.mar").unlink()
    server = make_server(state=state, model_store=store)
    assert weights(judge(server)) != promoted
    assert f"pipeline {NEW} is not loaded" in server.folder.log_file.read_text()


def test_the_command_line_does_it_all(server: LiveServer, checkpoint: Path) -> None:
    def outofsync(*words: str) -> str:
        return run(server, *words).stdout

    assert "ensemble-3.0.mar" in outofsync("build", "--checkpoint", str(checkpoint), "--version", "3.0")
    assert "ensemble-3.0.mar is as it was built" in outofsync("verify", "3.0")
    with begin(server, "register", "3.0") as interrupted:
        while "3.0" not in versions(server):
            assert interrupted.poll() is None
            time.sleep(0.01)
        interrupted.kill()
    outofsync("register", "3.0")
    outofsync("canary", "3.0", "--share", "0.1")
    sample = str(ROOT / "samples" / "synchronised.mp4")
    assert "of 1 verdicts agree" in outofsync("compare", "3.0", sample)
    assert "3.0 serves" in outofsync("promote", "3.0")
    outofsync("rollback")
    outofsync("retire", "3.0")
    listed = {one["version"]: one["role"] for one in json.loads(outofsync("list", "--json"))}
    assert listed.pop(__version__) == "promoted"
    assert listed.pop("3.0") == "built"
    refused = run(server, "retire", __version__, check=False)
    assert refused.returncode == 3
    assert "promoted" in refused.stderr


def command(server: LiveServer, *words: str) -> list[str]:
    where = ["--state", str(server.settings.state), "--model-store", str(server.settings.model_store)]
    return [str(Path(sys.executable).parent / "outofsync"), "models", words[0], *where, *words[1:]]


def run(server: LiveServer, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(server, *words), cwd=ROOT, capture_output=True, text=True, check=check)


def begin(server: LiveServer, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command(server, *words), cwd=ROOT)


def versions(server: LiveServer) -> set[str]:
    """What TorchServe has of the ensemble, recorded or not."""
    response = requests.get(
        f"{server.state.management_url}/models/deepfake__ensemble/all",
        headers={"Authorization": f"Bearer {server.state.management_token}"},
        timeout=60,
    )
    return {one["modelVersion"] for one in response.json()}
