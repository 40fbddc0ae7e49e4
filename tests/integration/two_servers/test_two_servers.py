"""Two servers behind one edge: one is killed under load, and no caller notices."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event

import psutil
import pytest
import requests
from edge_fixture import LiveEdge, MakeEdge
from media_factory import Media
from server_fixture import LiveServer

from benchmarks.ports import free_port
from serving.lifecycle import start

pytestmark = pytest.mark.server

CLIENTS = 8
PAUSE_S = 0.5  # of each caller between two requests: they are always there, and leave work some room
VIDEO = Media(frames=25).to_bytes()


def family(server: LiveServer) -> list[psutil.Process]:
    supervisor = server.folder.processes()[0]
    return [supervisor, *supervisor.children(recursive=True)]


def up(edge: LiveEdge) -> list[bool]:
    servers = edge.ask("GET", "/v1/health", key="").json()["servers"]
    return [server["ready"] for server in servers]


def answered_by(edge: LiveEdge) -> dict[str, int]:
    """How many videos each server has judged, by the gateway's log."""
    found = re.findall(r'"route": "/v1/detect", "status": 200.*"server": "(\d)"', edge.log("gateway.log"))
    return {server: found.count(server) for server in ("1", "2")}


class Callers:
    """Clients who ask one request after the other and never a second time; every answer is kept."""

    def __init__(self, edge: LiveEdge) -> None:
        self.statuses: list[int] = []
        self._edge = edge
        self._enough = Event()
        self._pool = ThreadPoolExecutor(CLIENTS)

    def __enter__(self) -> Callers:
        self._asking = [self._pool.submit(self._ask) for _ in range(CLIENTS)]
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for asking in self._asking:
            asking.result()

    def wait_for(self, more: int) -> None:
        wanted = len(self.statuses) + more
        while len(self.statuses) < wanted and not any(asking.done() for asking in self._asking):
            time.sleep(0.05)

    def _ask(self) -> None:
        form = {"data": ("video", VIDEO), "options": (None, '{"mode": "reference", "deblur": "never"}')}
        while not self._enough.wait(PAUSE_S):
            self.statuses.append(self._edge.ask("POST", "/v1/detect", files=form).status_code)


def test_one_of_two_servers_dies_and_nobody_notices(make_edge: MakeEdge) -> None:
    metrics = free_port()
    edge = make_edge("--rate", "500", "--burst", "500", "--metrics-port", str(metrics), servers=2)
    while up(edge) != [True, True]:
        time.sleep(0.1)
    victim = edge.servers[0]
    with Callers(edge) as callers:
        callers.wait_for(2 * CLIENTS)
        before = answered_by(edge)
        assert min(before.values()) > 0, "both take their share"
        for process in family(victim):
            with suppress(psutil.NoSuchProcess):  # it ended with another of them
                process.kill()
        callers.wait_for(2 * CLIENTS)
        assert up(edge) == [False, True]
        after = answered_by(edge)
        assert after["2"] > before["2"]
        start(victim.settings)
        while up(edge) != [True, True]:
            time.sleep(0.1)
        callers.wait_for(2 * CLIENTS)
    assert set(callers.statuses) == {200}, "no answer was lost"
    assert answered_by(edge)["1"] > after["1"], "who is back takes its share again"
    told = requests.get(f"http://127.0.0.1:{metrics}/metrics", timeout=30).text
    assert re.search(r'outofsync_retries_total\{reason="(connection_lost|unreachable)",server="1"\}', told)
