"""A server with small networks that the tests of this folder share; each leaves it serving."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from server_fixture import LiveServer
from traces import Marker, make_marker
from under_load import wait_for
from untrained import write_checkpoints

from archives.build import SETTINGS, build
from serving.lifecycle import running
from serving.settings import ServerSettings

MakeStore = Callable[..., Path]


@pytest.fixture(scope="session")
def small_server(small_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The workflow alone."""
    settings = ServerSettings(
        state=tmp_path_factory.mktemp("small"), model_store=small_store, plain_models=False, leftover_s=3.0
    )
    with running(settings) as state:
        yield LiveServer(state, settings)


@pytest.fixture
def server(small_server: LiveServer) -> LiveServer:
    """The shared server with its tokens of now: another test may have let it start anew."""
    wait_for(small_server.folder.server)
    state = small_server.folder.server()
    assert state is not None
    return LiveServer(state, small_server.settings)


@pytest.fixture(scope="session")
def marker(tmp_path_factory: pytest.TempPathFactory) -> Marker:
    """A video of which nothing may be found afterwards."""
    return make_marker(tmp_path_factory.mktemp("marker"))


@pytest.fixture(scope="session")
def make_store(tmp_path_factory: pytest.TempPathFactory) -> MakeStore:
    """Archives of small networks with other settings: of both models, and of the workflow."""
    checkpoints = write_checkpoints(tmp_path_factory.mktemp("checkpoints"))

    def make(model: dict[str, Any] | None = None, workflow: dict[str, Any] | None = None) -> Path:
        folder = tmp_path_factory.mktemp("settings")
        for name in ("deblur", "ensemble"):
            change(folder / name / "model-config.yaml", lambda values: values.update(model or {}))
        change(folder / "deepfake" / "workflow.yaml", lambda values: values["models"].update(workflow or {}))
        store = tmp_path_factory.mktemp("store")
        build(checkpoints, store, settings=folder)
        return store

    return make


def change(path: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    """A copy of one file of the archives' settings, edited."""
    path.parent.mkdir(exist_ok=True)
    shutil.copy(SETTINGS / path.parent.name / path.name, path)
    values = yaml.safe_load(path.read_text())
    edit(values)
    # TorchServe reads in order: what follows the nodes does not hold for them.
    path.write_text(yaml.safe_dump(values, sort_keys=False))
