"""A server with its edge, and the doors through which a client reaches them."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from decoders import decoders
from edge_fixture import LiveEdge
from server_fixture import LiveServer
from under_load import wait_for

from benchmarks.ports import free_port
from outofsync_client import AsyncClient, Client, OutOfSyncError, Retries
from outofsync_client.management import Management
from outofsync_client.protocol import model_of
from serving.settings import ROOT
from serving.state import ServerState

DIRECT = ("token", "state")
DOORS = (*DIRECT, "edge")
ONE_TRY = Retries.none()
PATIENCE_S = 120.0


@dataclass(frozen=True)
class Site:
    """One server and what stands before it.

    Its doors are ``token`` and ``state`` (TorchServe itself), ``edge``, and ``gateway``: that speaks plain
    HTTP, for those who stand between it and a client, and takes any key.
    """

    edge: LiveEdge
    gateway: str

    @property
    def server(self) -> LiveServer:
        return self.edge.servers[0]

    @property
    def folder(self) -> Path:
        """The server's state."""
        return self.server.settings.state

    @property
    def now(self) -> ServerState:
        """Where the server is, with its tokens of now."""
        wait_for(self.server.folder.server)
        state = self.server.folder.server()
        assert state is not None
        return state

    def client(self, door: str, **settings: Any) -> Client:
        if door == "state":
            return Client.of_state(self.folder, **settings)
        return Client(self.url(door), **self.keys(door), **settings)

    def async_client(self, door: str, **settings: Any) -> AsyncClient:
        if door == "state":
            return AsyncClient.of_state(self.folder, **settings)
        return AsyncClient(self.url(door), **self.keys(door), **settings)

    def url(self, door: str) -> str:
        return {"edge": self.edge.url, "gateway": self.gateway}.get(door) or self.now.url

    def keys(self, door: str) -> dict[str, Any]:
        """What a client needs besides the URL."""
        if door == "edge":
            return {"api_key": self.edge.key, "verify": self.edge.authority}
        if door == "gateway":
            return {"api_key": "anyone"}
        return {"token": self.now.token}

    def describe(self, node: str) -> dict[str, Any]:
        """What TorchServe says of one of the workflow's nodes."""
        with Management(self.now.management_url, self.now.management_token) as management:
            described: dict[str, Any] = management.call("GET", f"models/{model_of(node)}")[0]
        return described

    def worker(self) -> psutil.Process:
        """The process of the first node."""
        (worker,) = self.describe("deblur")["workers"]
        return psutil.Process(worker["pid"])

    def decoders(self) -> list[psutil.Process]:
        """The processes in which its worker decodes videos just now; others belong to its start."""
        with suppress(psutil.Error, ValueError):  # between two workers there is none
            return decoders(self.worker())
        return []

    def killed_at_work(self) -> bool:
        """Kill the worker, if it is decoding just now."""
        if not self.decoders():
            return False
        with suppress(psutil.NoSuchProcess):
            worker = self.worker()
            worker.kill()
            worker.wait()
        return True


@contextmanager
def site_of(edge: LiveEdge) -> Iterator[Site]:
    """The site of an edge, with a gateway more for as long as the block lasts."""
    port = str(free_port())
    words = ["--state", str(edge.servers[0].settings.state), "--no-keys", "--port", port]
    process = subprocess.Popen([sys.executable, "-m", "gateway", *words], cwd=ROOT)
    try:
        site = Site(edge, f"http://127.0.0.1:{port}")
        with site.client("gateway") as client:
            client.wait_until_ready(PATIENCE_S)
        yield site
    finally:
        process.terminate()
        process.wait()


def error_of(work: Callable[[], object]) -> OutOfSyncError:
    """The error that something ends with."""
    with pytest.raises(OutOfSyncError) as caught:
        work()
    return caught.value


def repetitions(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int, float]]:
    """What a client logged of its repetitions: the error's code, the attempt, and the wait (s) after it."""
    entries = [vars(record) for record in caplog.records if record.levelno == logging.WARNING]
    return [(entry["code"], entry["attempt"], entry["wait_s"]) for entry in entries if "wait_s" in entry]
