"""A real TorchServe for tests: archives built once, one server for the whole session.

``server`` is shared, so a test may send it anything but must not stop it; ``make_server`` starts others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from untrained import write_checkpoints

from archives.build import build
from outofsync_client.management import Management
from outofsync_client.protocol import NODES, TORCHSERVE, model_of
from serving.lifecycle import running
from serving.settings import ROOT, ServerSettings
from serving.state import ServerState, StateFolder

ANSWER_S = 600.0
CHECKPOINTS = ROOT / "checkpoints"


@dataclass(frozen=True)
class LiveServer:
    """A server that is ready, with the doors tests use."""

    state: ServerState
    settings: ServerSettings

    @property
    def folder(self) -> StateFolder:
        return StateFolder(self.settings.state)

    def post(self, path: str, token: str | None = None, **request: Any) -> requests.Response:
        """A POST to the inference interface, with the server's own token unless another is given."""
        headers = {"Authorization": f"Bearer {self.state.token if token is None else token}"}
        headers |= request.pop("headers", {})
        return requests.post(self.state.url + path, headers=headers, timeout=ANSWER_S, **request)

    def detect(self, data: bytes, *, request_id: str = "", **options: Any) -> dict[str, Any]:
        """The workflow's answer: a result, or an object with ``error``. It never fails as a whole."""
        form = {"data": ("video", data), "options": (None, json.dumps(options))}
        headers = {"X-OutOfSync-Request-Id": request_id} if request_id else {}
        response = self.post(TORCHSERVE.detect, files=form, headers=headers)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def detect_error(self, data: bytes, **options: Any) -> dict[str, Any]:
        """The error the workflow answers."""
        error: dict[str, Any] = self.detect(data, **options)["error"]
        return error

    def java(self) -> psutil.Process:
        """TorchServe's own process."""
        return self.folder.processes()[1]

    def workers(self) -> dict[str, list[int]]:
        """Process ids of the workflow's workers, by model."""
        with Management(self.state.management_url, self.state.management_token) as management:
            loaded = {model: management.version(model) for model in map(model_of, NODES)}
        return {model: [worker.pid for worker in found.workers] for model, found in loaded.items() if found}


MakeServer = Callable[..., LiveServer]


@pytest.fixture(scope="session")
def model_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Archives of the weights that ship."""
    folder = tmp_path_factory.mktemp("model_store")
    build(CHECKPOINTS, folder)
    return folder


@pytest.fixture(scope="session")
def small_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Archives of small untrained networks: for tests of serving, which do not mind what is judged."""
    folder = tmp_path_factory.mktemp("small_store")
    build(write_checkpoints(tmp_path_factory.mktemp("checkpoints")), folder)
    return folder


@pytest.fixture(scope="session")
def server(model_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The session's server: the workflow, and both models alone."""
    settings = ServerSettings(state=tmp_path_factory.mktemp("server"), model_store=model_store)
    with running(settings) as state:
        yield LiveServer(state, settings)


@pytest.fixture
def make_server(model_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeServer]:
    """Starts servers of a test's own, the workflow alone; what it leaves running is stopped."""
    with ExitStack() as servers:

        def make(**choices: Any) -> LiveServer:
            defaults = {"state": tmp_path_factory.mktemp("server"), "model_store": model_store}
            settings = ServerSettings(**{**defaults, "plain_models": False, "drain_s": 60.0, **choices})
            return LiveServer(servers.enter_context(running(settings)), settings)

        yield make
