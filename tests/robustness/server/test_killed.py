"""kill -9 under load: a worker, or TorchServe itself. Callers wait a little, and nothing is lost."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from decoders import decoders
from server_fixture import LiveServer
from under_load import VIDEO, under_load, wait_for

from outofsync_client import Client, Retries, WorkerDiedError

pytestmark = pytest.mark.server

BACK_S = 120.0  # it takes three to six seconds; a busy machine takes longer
BATCH = 4


def current(server: LiveServer) -> LiveServer:
    """The same server with its tokens of now."""
    wait_for(server.folder.server)
    state = server.folder.server()
    assert state is not None
    return LiveServer(state, server.settings)


def clips(server: LiveServer) -> list[Path]:
    return list((server.folder.temporary_link / "clips").iterdir())


@pytest.mark.parametrize("node", ["deblur", "ensemble"])
def test_a_killed_worker_is_a_blip(small_server: LiveServer, node: str) -> None:
    server = current(small_server)
    before = server.workers()
    clips_before = clips(server)
    (victim,) = before[f"deepfake__{node}"]
    with under_load(server.settings.state) as load:
        load.wait_for_more(16)
        psutil.Process(victim).kill()
        load.wait_for_more(32)
    assert load.lost == []
    assert load.longest_gap_s() < BACK_S
    after = server.workers()
    assert after.pop(f"deepfake__{node}") != [victim]
    assert after.items() < before.items(), "the other worker is the same"
    # What a dead writer left half-written is gone at once. A whole clip waits for an hour, whether its reader
    # died or its writer with the answer in hand: no one can tell it from one that is queued for a reader.
    assert len(set(clips(server)) - set(clips_before)) <= BATCH


def test_torchserve_killed_under_load_loses_nobody(small_server: LiveServer) -> None:
    server = current(small_server)
    java = server.java()
    with under_load(server.settings.state) as load:
        load.wait_for_more(16)
        java.kill()
        load.wait_for_more(32)
    assert load.lost == []
    assert load.longest_gap_s() < BACK_S
    assert current(server).java().pid != java.pid
    assert clips(server) == []


def killed_at_work(workers: list[int]) -> bool:
    """Kill a worker, if it is decoding just now."""
    for pid in workers:
        with suppress(psutil.NoSuchProcess):
            worker = psutil.Process(pid)
            if decoders(worker):
                worker.kill()
                worker.wait()
                return True
    return False


def test_a_request_that_kills_its_worker_each_time_takes_nobody_with_it(small_server: LiveServer) -> None:
    """The worker is killed whenever it is at a batch while the poison is under way; others are in it, too."""
    server = current(small_server)
    kills = 0

    def poison() -> None:
        retries = Retries(attempts=2, restart=BACK_S)
        with Client.of_state(server.settings.state, retries=retries) as client:
            while True:  # an attempt that was over before anybody looked has killed nothing
                client.detect(VIDEO, mode="reference")

    with under_load(server.settings.state, clients=3) as load, ThreadPoolExecutor(1) as pool:
        load.wait_for_more(3)
        poisoned = pool.submit(poison)
        while not poisoned.done():
            kills += killed_at_work(server.workers()["deepfake__deblur"])
            time.sleep(0.02)
        with pytest.raises(WorkerDiedError):
            poisoned.result()
        load.wait_for_more(12)
    assert kills >= 2
    assert load.lost == [], "two tries, and the poison was given up; everybody else was served"
