"""The edge's own processes, without a server: what they are told, who they are, and that they come back."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from edge_fixture import installed

from benchmarks.ports import free_port
from serving.edge.__main__ import start, stop
from serving.edge.settings import EdgeSettings
from serving.settings import ServeError

Started = Callable[..., EdgeSettings]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    """Starts an edge with these settings before servers that are not there."""
    installed("nginx", "nginx")
    begun = []

    def begin(**choices: Any) -> EdgeSettings:
        settings = EdgeSettings(states=(tmp_path / "state",), port=free_port(), **choices)
        begun.append(settings)
        start(settings)
        return settings

    yield begin
    for settings in begun:
        stop(settings)


def processes(settings: EdgeSettings, *words: str) -> list[psutil.Process]:
    """Of those the edge runs, the ones whose command lines hold all these words."""
    edge = psutil.Process(json.loads((settings.folder / "edge.json").read_text())["pid"])
    return [one for one in edge.children(recursive=True) if all(word in called(one) for word in words)]


def called(process: psutil.Process) -> str:
    """A process's command line, empty where it has ended."""
    with suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""


def ask(settings: EdgeSettings, path: str) -> requests.Response:
    authority = str(settings.folder / "development.crt")
    return requests.get(settings.url + path, verify=authority, timeout=60)


def wait_for(condition: Callable[[], object]) -> None:
    """Until something is so; a test that waits in vain ends by the suite's own limit."""
    while not condition():
        time.sleep(0.05)


def test_settings_that_are_no_option_are_passed_on(started: Started) -> None:
    settings = started(
        rate=7.0,
        burst=5,
        address_share=3,
        address_connections=11,
        header_s=9,
        answer_s=77,
        request_bytes=123_456,
    )
    told = (settings.folder / "nginx.conf").read_text()
    for line in (
        "rate=21r/s",
        "zone=visits burst=15 ",
        "limit_conn addresses 11;",
        "client_header_timeout 9s;",
        "proxy_read_timeout 77s;",
        "client_max_body_size 123456;",
    ):
        assert line in told, line
    told_gateway = ("-m gateway", '"answer_s": 77', '"header_s": 9', '"request_bytes": 123456')
    assert len(processes(settings, *told_gateway)) == 1


def test_workers_are_no_root_and_pages_are_served(started: Started) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root has to become somebody else")
    settings = started()
    workers = processes(settings, "nginx: worker")
    assert workers
    assert {worker.username() for worker in workers} == {"nobody"}
    assert ask(settings, "/").status_code == 200
    assert ask(settings, "/reference/").status_code == 200
    assert ask(settings, "/v1/openapi.json").json()["openapi"]
    assert ask(settings, "/v1/health").json()["servers"], "they reach the gateway behind its socket"
    tokens = settings.states[0]
    assert tokens.stat().st_mode & 0o007 == 0 or settings.folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("words", [("nginx: master",), ("-m gateway",)], ids=["nginx", "gateway"])
def test_what_is_killed_comes_back(started: Started, words: tuple[str, ...]) -> None:
    settings = started()
    (victim,) = processes(settings, *words)
    victim.kill()
    wait_for(lambda: [one for one in processes(settings, *words) if one.pid != victim.pid])

    def is_answered() -> bool:
        try:
            return "servers" in ask(settings, "/v1/health").json()
        except requests.ConnectionError:
            return False

    wait_for(is_answered)


def test_what_a_killed_edge_left_ends_at_the_next_start(started: Started) -> None:
    settings = started()
    left = processes(settings)
    edge = psutil.Process(json.loads((settings.folder / "edge.json").read_text())["pid"])
    edge.kill()
    psutil.wait_procs([edge])
    assert all(one.is_running() for one in left), "they outlive it"
    start(settings)
    assert not psutil.wait_procs(left, timeout=30)[1]
    assert "servers" in ask(settings, "/v1/health").json()


def test_a_second_edge_in_the_same_folder_is_a_sentence(started: Started) -> None:
    settings = started()
    with pytest.raises(ServeError, match=r"an edge runs from .* already; .*make edge-stop"):
        start(settings)


def test_stopping_leaves_nothing(started: Started) -> None:
    settings = started()
    family = processes(settings)
    assert len(family) >= 3
    assert stop(settings)
    assert not psutil.wait_procs(family, timeout=30)[1]
    assert not (settings.folder / "edge.json").exists()
