"""Nothing of a video remains once it is answered, however that went: faces, sound, bytes are looked for."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest
import requests
from edge_fixture import LiveEdge, edge_before, installed
from server_fixture import LiveServer
from traces import NAME, Marker, traces
from under_load import wait_for

from outofsync.spool import TAKEN_MODE
from outofsync_client import Client, OutOfSyncError

pytestmark = pytest.mark.server

GONE_S = 60.0  # the server's leftover_s, and time to look


def remains(server: LiveServer, marker: Marker, since: float) -> list[str]:
    """Where anything of the marker lies, of all that was written since."""
    folder = server.folder
    tree = [one for process in folder.processes() for one in (process, *process.children(recursive=True))]
    places = (folder.path, folder.temporary_link.resolve())
    return traces(marker.marks, places, tree, since=since)


@pytest.fixture
def since() -> float:
    return time.time() - 1.0


def ask(server: LiveServer, video: bytes) -> str:
    """What a patient caller hears: the verdict, or the error's code."""
    file = io.BytesIO(video)
    file.name = NAME
    with Client.of_state(server.settings.state) as client:
        try:
            return client.detect(file).verdict
        except OutOfSyncError as error:
            return error.code


def test_what_is_looked_for_would_be_found(marker: Marker, server: LiveServer, since: float) -> None:
    """In a file, and in memory that a process of the server's holds open under no name."""
    planted = server.folder.path / "planted"
    for mark in (marker.marks[0], marker.marks[-1]):
        planted.write_bytes(b"before" + mark + b"after")
        assert remains(server, marker, since) == [str(planted)]
    planted.unlink()
    descriptor = os.memfd_create("planted")
    os.write(descriptor, marker.marks[3])
    found = traces(marker.marks, (), [psutil.Process()], since=since)
    os.close(descriptor)
    assert len(found) == 1
    assert "memfd:planted" in found[0]


def test_nothing_remains_of_what_was_judged(server: LiveServer, marker: Marker, since: float) -> None:
    assert ask(server, marker.video) in ("real", "fake", "likely_real", "likely_fake", "inconclusive")
    assert remains(server, marker, since) == []


@pytest.mark.parametrize("cut", [0.3, 0.9])
def test_nothing_remains_of_what_was_refused(
    server: LiveServer, marker: Marker, since: float, cut: float
) -> None:
    assert ask(server, marker.video[: int(cut * len(marker.video))])
    server.detect_error(marker.video, fps=3)
    assert remains(server, marker, since) == []


def killed_decoder(server: LiveServer, asked: Future[str]) -> bool:
    """Kill a child that decodes before the request is answered; whether there was one."""
    (pid,) = server.workers()["deepfake__deblur"]
    worker = psutil.Process(pid)
    while not asked.done():
        for child in worker.children(recursive=True):
            with suppress(psutil.Error):
                if child.children() == [] and child.ppid() != pid:  # not the process that forks them
                    child.kill()
                    return True
    return False


def test_nothing_remains_where_a_decoder_was_killed(server: LiveServer, marker: Marker, since: float) -> None:
    with ThreadPoolExecutor(1) as pool:
        wait_for(lambda: killed_decoder(server, pool.submit(ask, server, marker.video)))
    assert remains(server, marker, since) == []


# Whose worker is killed, and how far a clip then is on its way.
MOMENTS: dict[str, tuple[str, Callable[[Path], bool]]] = {
    "its writer, half-way": ("deblur", lambda clip: clip.suffix != ""),
    "its writer, with the clip handed over": ("deblur", lambda clip: clip.suffix == ""),
    "its reader": ("ensemble", lambda clip: clip.stat().st_mode & 0o777 == TAKEN_MODE),
}


def killed_worker(server: LiveServer, moment: str, asked: Future[str]) -> bool:
    """Kill a worker when a clip has come so far; False where the request was answered before."""
    node, is_so_far = MOMENTS[moment]
    (pid,) = server.workers()[f"deepfake__{node}"]
    clips = server.folder.temporary_link / "clips"
    while not asked.done():
        with suppress(FileNotFoundError):
            if any(is_so_far(clip) for clip in clips.iterdir()):
                psutil.Process(pid).kill()
                assert asked.result()
                return True
    return False


@pytest.mark.parametrize("moment", MOMENTS)
def test_nothing_remains_where_a_worker_was_killed(
    server: LiveServer, marker: Marker, since: float, moment: str
) -> None:
    """A clip whose writer or reader died lies until the server is quiet, and then goes."""
    with ThreadPoolExecutor(1) as pool:
        wait_for(lambda: killed_worker(server, moment, pool.submit(ask, server, marker.video)))
    wait_for(lambda: remains(server, marker, since) == [], GONE_S)


@pytest.fixture(scope="module")
def edge(small_server: LiveServer) -> Iterator[LiveEdge]:
    installed("nginx", "nginx")
    with ExitStack() as left:
        yield edge_before([small_server], left)


def test_nothing_remains_at_the_edge(
    edge: LiveEdge, server: LiveServer, marker: Marker, since: float
) -> None:
    """Judged, refused, broken off in the middle: neither nginx nor the gateway keeps any of it."""
    form = {"data": (NAME, marker.video)}
    assert edge.ask("POST", "/v1/detect", files=form).status_code == 200
    assert edge.ask("POST", "/v1/detect", files=form, key="nobody's").status_code == 401
    assert edge.ask("POST", "/v1/report", files={"result": (NAME, marker.video)}).status_code >= 400

    def half() -> Iterator[bytes]:
        yield marker.video[: len(marker.video) // 2]
        raise InterruptedError

    with pytest.raises(requests.ConnectionError, match="InterruptedError"):
        edge.ask("POST", "/v1/detect", data=half(), headers={"Content-Type": "video/mp4"})
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    found = traces([*marker.marks, edge.key.encode()], [edge.settings.folder], processes, since=since)
    assert found == []
    assert remains(server, marker, since) == []
    assert "/v1/detect" in edge.log("access.log"), "the requests are logged"


def test_logs_hold_neither_names_nor_tokens(server: LiveServer, marker: Marker) -> None:
    assert ask(server, marker.video)
    log = server.folder.log_file.read_text(errors="replace")
    assert "deepfake__ensemble" in log, "the requests are logged"
    for secret in (NAME, server.state.token, server.state.management_token):
        assert secret not in log
