"""A new version of a model takes over while the server is asked, hands back, and nobody loses an answer."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any, Self

import pytest
import requests
from media_factory import Media
from server_fixture import LiveServer, MakeServer
from untrained import write_checkpoints

from archives.build import build
from config.settings import ROOT
from outofsync import __version__

pytestmark = pytest.mark.server

SAMPLE = ROOT / "samples" / "synchronised.mp4"
CLIENTS = 2
NEW = "2.0"


class Versions:
    """The workflow's versions of the ensemble, as an operator sees and changes them."""

    def __init__(self, server: LiveServer) -> None:
        self._models = f"{server.state.management_url}/models"
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {server.state.management_token}"

    def register(self, version: str) -> None:
        """Load a version beside the running one; until it is ready."""
        query = {
            "url": f"ensemble-{version}.mar",
            "model_name": "deepfake__ensemble",
            "initial_workers": "1",
            "synchronous": "false",  # or inference would stand still meanwhile
            "batch_size": "4",
            "max_batch_delay": "10",
        }
        self._call("POST", "", query)
        while not self._is_ready(version):
            time.sleep(0.5)

    def set_default(self, version: str) -> None:
        self._call("PUT", f"/deepfake__ensemble/{version}/set-default")

    def retire(self, version: str) -> None:
        """Unload a version at once: requests it is still at are lost."""
        self._call("DELETE", f"/deepfake__ensemble/{version}")

    def all(self) -> set[str]:
        described = self._call("GET", "/deepfake__ensemble/all").json()
        return {version["modelVersion"] for version in described}

    def _is_ready(self, version: str) -> bool:
        described = self._call("GET", f"/deepfake__ensemble/{version}").json()[0]
        return [worker["status"] for worker in described["workers"]] == ["READY"]

    def _call(self, method: str, path: str, query: dict[str, str] | None = None) -> requests.Response:
        response = self._session.request(method, self._models + path, params=query, timeout=60)
        assert response.ok, response.text
        return response


class Clients:
    """Several clients who ask one request after the other for as long as the block lasts."""

    def __init__(self, server: LiveServer) -> None:
        self.answered: list[str] = []  # which weights answered, in order
        self._server = server
        self._video = Media(frames=20).to_bytes()
        self._enough = Event()
        self._rounds = [0] * CLIENTS
        self._pool = ThreadPoolExecutor(CLIENTS)

    def __enter__(self) -> Self:
        self._clients = [self._pool.submit(self._ask, client) for client in range(CLIENTS)]
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for client in self._clients:
            client.result()  # raises what went wrong

    def drain(self) -> None:
        """Until every request that is under way now has its answer."""
        for client, rounds in zip(range(CLIENTS), tuple(self._rounds), strict=True):
            while self._rounds[client] == rounds and not self._clients[client].done():
                time.sleep(0.1)

    def _ask(self, client: int) -> None:
        while not self._enough.is_set():
            self.answered.append(weights(judge(self._server, self._video)))
            self._rounds[client] += 1


def judge(server: LiveServer, video: bytes) -> dict[str, Any]:
    """The result for a video's first frames, without looking for faces: the ensemble's work alone."""
    return server.detect(video, mode="reference", deblur="never")


def weights(result: dict[str, Any]) -> str:
    """Which synchronisation network judged."""
    assert "error" not in result, result
    sha256: str = result["models"]["ensemble"]["sync_sha256"]
    return sha256


@pytest.fixture
def server(model_store: Path, make_server: MakeServer, tmp_path: Path) -> LiveServer:
    """A server whose model store holds a second version of the ensemble."""
    store = shutil.copytree(model_store, tmp_path / "store")
    checkpoints = tmp_path / "checkpoints"
    checkpoints.mkdir()
    build(write_checkpoints(checkpoints), store, NEW)
    return make_server(model_store=store)


def test_a_new_version_takes_over_and_hands_back(server: LiveServer) -> None:
    versions = Versions(server)
    sample = SAMPLE.read_bytes()
    before = judge(server, sample)
    with Clients(server) as clients:
        versions.register(NEW)
        assert versions.all() == {__version__, NEW}
        assert set(clients.answered) == {weights(before)}, "a version that is only registered answers nobody"
        with pytest.raises(AssertionError, match="default"):
            versions.retire(__version__)  # the one that answers cannot be unloaded by mistake
        versions.set_default(NEW)
        after = judge(server, sample)
        versions.set_default(__version__)
        again = judge(server, sample)
        versions.set_default(NEW)
        clients.drain()
        versions.retire(__version__)
        last = judge(server, sample)
    assert weights(after) != weights(before)
    assert after["delays"] != before["delays"]
    assert (again["delays"], weights(again)) == (before["delays"], weights(before))
    assert (last["delays"], weights(last)) == (after["delays"], weights(after))
    assert set(clients.answered) == {weights(before), weights(after)}
    assert versions.all() == {NEW}
