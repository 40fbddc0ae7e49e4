"""A node that outruns its time limit: the caller hears of it, and the work is not done twice."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from media_factory import Media
from server_fixture import LiveServer
from under_load import VIDEO, wait_for

from outofsync_client import Client, OutOfSyncError, Retries
from serving.lifecycle import running
from serving.settings import ServerSettings

pytestmark = pytest.mark.server

LIMIT_S = 2
LONG = Media(frames=1500, rate=25, width=640, height=480).to_bytes()  # takes a node much longer than that
SHORT_OF_PATIENCE = Retries(budget=1.0)  # as the client's own is shorter than a server's limit of an hour
MakeStore = Callable[..., Path]


def seen(server: LiveServer, request_id: str) -> list[str]:
    """The nodes that worked on a request to its end, as often as they did."""
    lines = [line for line in server.folder.log_file.read_text().splitlines() if request_id in line]
    return [json.loads(line)["entry"]["node"] for line in lines if '"entry"' in line]


def working_threads(server: LiveServer) -> int:
    """Java's threads, without its event loops: pools of fixed size that fill as connections come."""
    tasks = Path("/proc", str(server.java().pid), "task").glob("*/comm")
    return sum(not task.read_text().startswith("epollEventLoop") for task in tasks)


def serving(store: Path, state: Path) -> Iterator[LiveServer]:
    settings = ServerSettings(state=state, model_store=store, plain_models=False)
    with running(settings) as found:
        yield LiveServer(found, settings)


@pytest.fixture(scope="module")
def workflow_limit(make_store: MakeStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """TorchServe stops waiting for a node, which goes on."""
    yield from serving(
        make_store(workflow={"timeout-ms": 1000 * LIMIT_S}), tmp_path_factory.mktemp("workflow-limit")
    )


@pytest.fixture(scope="module")
def worker_limit(make_store: MakeStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """TorchServe kills a worker that does not answer."""
    yield from serving(
        make_store(model={"responseTimeout": LIMIT_S}), tmp_path_factory.mktemp("worker-limit")
    )


def ask(server: LiveServer, video: bytes) -> OutOfSyncError:
    client = Client.of_state(server.settings.state, retries=SHORT_OF_PATIENCE)
    with client, pytest.raises(OutOfSyncError) as raised:
        client.detect(video, deblur="never")
    return raised.value


def test_work_that_nobody_waits_for_any_more_is_done_once(workflow_limit: LiveServer) -> None:
    server = workflow_limit
    workers, threads = server.workers(), working_threads(server)
    started = time.monotonic()
    error = ask(server, LONG)
    assert error.status == 500
    assert time.monotonic() - started >= LIMIT_S
    wait_for(lambda: seen(server, error.request_id))
    assert "verdict" in server.detect(VIDEO), "the next in the queue is served"
    assert seen(server, error.request_id) == ["deepfake__deblur"]
    assert server.workers() == workers
    assert working_threads(server) <= threads + 10


def test_a_worker_that_is_late_is_replaced_and_the_queue_is_served(worker_limit: LiveServer) -> None:
    server = worker_limit
    before = server.workers()
    with ThreadPoolExecutor(4) as pool:
        late = pool.submit(ask, server, LONG)
        time.sleep(1.0)  # the long one is at work: those that come now wait for the next worker
        queued = [pool.submit(server.detect, VIDEO) for _ in range(3)]
        assert late.result().status == 500
        assert all("verdict" in one.result() for one in queued)
    after = server.workers()
    assert after["deepfake__deblur"] != before["deepfake__deblur"]
    assert after["deepfake__ensemble"] == before["deepfake__ensemble"]
    assert seen(server, late.result().request_id) == [], "it was begun once, and never finished"
