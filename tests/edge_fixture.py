"""A real edge for tests: nginx and a gateway before a real server. nginx is installed where it is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from server_fixture import LiveServer

from benchmarks.ports import free_port
from gateway import keys
from serving.edge.__main__ import parse, start, stop
from serving.edge.settings import EdgeSettings
from serving.lifecycle import running
from serving.settings import ServerSettings

ANSWER_S = 300.0
PROGRAMS = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"


def installed(program: str, package: str) -> str:
    """A program of the system, installed from its packages where it is missing; skips where it cannot be."""
    if found := shutil.which(program, path=PROGRAMS):
        return found
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        pytest.skip(f"{program} is missing, and only root can install it (apt-get install {package})")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-q", "-y", package]):
        subprocess.run(command, env=quiet, capture_output=True, check=True)
    if service := shutil.which("service"):  # tests start their own
        subprocess.run([service, package, "stop"], capture_output=True, check=False)
    found = shutil.which(program, path=PROGRAMS)
    assert found, f"{package} was installed and brought no {program}"
    return found


@dataclass(frozen=True)
class LiveEdge:
    """An edge that answers, with one valid key."""

    settings: EdgeSettings
    servers: list[LiveServer]
    key: str

    @property
    def url(self) -> str:
        return self.settings.url

    @property
    def authority(self) -> str:
        """The file of the certificate that vouches for it."""
        return str(self.settings.folder / "development.crt")

    def ask(self, method: str, path: str, *, key: str | None = None, **request: Any) -> requests.Response:
        headers = {"X-Api-Key": self.key if key is None else key, **request.pop("headers", {})}
        return requests.request(
            method, self.url + path, headers=headers, verify=self.authority, timeout=ANSWER_S, **request
        )

    def detect(self, data: bytes, **request: Any) -> requests.Response:
        return self.ask("POST", "/v1/detect", files={"data": ("video", data)}, **request)

    def log(self, name: str) -> str:
        return (self.settings.folder / name).read_text()


MakeEdge = Callable[..., LiveEdge]


def edge_before(servers: list[LiveServer], left: ExitStack, *words: str) -> LiveEdge:
    """Starts an edge with one key before servers that run; it ends with ``left``."""
    arguments = [*words, "--port", str(free_port())]
    for server in servers:
        arguments += ["--state", str(server.settings.state)]
    _, edge = parse(["start", *arguments])
    key = keys.add(edge.key_file, "tester")
    left.callback(stop, edge)
    start(edge)
    return LiveEdge(edge, servers, key)


def edges(small_store: Path, folders: pytest.TempPathFactory, left: ExitStack) -> MakeEdge:
    """Makes edges, each before servers of its own, which end with ``left``: they take a gigabyte and more."""

    def make(*words: str, servers: int = 1, plain_models: bool = False) -> LiveEdge:
        installed("nginx", "nginx")
        live = []
        for _ in range(servers):
            store = shutil.copytree(small_store, folders.mktemp("store") / "model_store")
            settings = ServerSettings(
                state=folders.mktemp("server"), model_store=store, plain_models=plain_models
            )
            live.append(LiveServer(left.enter_context(running(settings)), settings))
        return edge_before(live, left, *words)

    return make


@pytest.fixture(scope="module")
def make_edge(small_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeEdge]:
    """Starts edges before servers with small networks; words are options of ``python -m serving.edge``."""
    with ExitStack() as left:
        yield edges(small_store, tmp_path_factory, left)


@pytest.fixture(scope="session")
def edge(small_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveEdge]:
    """The session's edge, which takes more than any test sends, and serves the models alone as well."""
    ports = ("--plain-port", str(free_port()), "--metrics-port", str(free_port()))
    with ExitStack() as left:
        make = edges(small_store, tmp_path_factory, left)
        yield make("--rate", "500", "--burst", "500", *ports, plain_models=True)
