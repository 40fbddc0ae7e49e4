"""More at once than workers and queue hold: refused in words, and served by and by to who comes again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from media_factory import Media
from server_fixture import LiveServer

from benchmarks.ports import free_port
from outofsync_client import BusyError, Client, OutOfSyncError, Result, Retries
from serving.lifecycle import running
from serving.settings import ROOT, ServerSettings

pytestmark = pytest.mark.server

VIDEO = Media(frames=250).to_bytes()
QUEUE = 2
AT_ONCE = 20  # a batch of four at work, two in the queue
PATIENT = Retries(attempts=50, longest_wait=2.0)
MakeStore = Callable[..., Path]


@pytest.fixture(scope="module")
def server(make_store: MakeStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    settings = ServerSettings(
        state=tmp_path_factory.mktemp("overload"),
        model_store=make_store(model={"jobQueueSize": QUEUE}),
        plain_models=False,
    )
    with running(settings) as state:
        yield LiveServer(state, settings)


@pytest.fixture(scope="module")
def gateway(server: LiveServer) -> Iterator[str]:
    """A gateway that lets two through and keeps nobody waiting."""
    port = str(free_port())
    words = ["--state", str(server.settings.state), "--no-keys", "--port", port]
    limits = ["--in-flight", "2", "--queue-seconds", "0", "--notice-seconds", "0"]
    process = subprocess.Popen([sys.executable, "-m", "gateway", *words, *limits], cwd=ROOT)
    url = f"http://127.0.0.1:{port}"
    with Client(url, api_key="anyone") as client:
        client.wait_until_ready(60.0)
    yield url
    process.terminate()
    process.wait()


def outcomes(client: Client) -> list[Result | OutOfSyncError]:
    def ask(_: int) -> Result | OutOfSyncError:
        try:
            return client.detect(VIDEO, mode="reference", deblur="never")
        except OutOfSyncError as error:
            return error

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(ask, range(AT_ONCE)))


def test_torchserve_refuses_what_its_queue_cannot_hold(server: LiveServer) -> None:
    with Client.of_state(server.settings.state, retries=Retries.none()) as client:
        found = outcomes(client)
    refused = [one for one in found if isinstance(one, OutOfSyncError)]
    assert refused
    assert len(refused) < AT_ONCE
    assert all(isinstance(one, BusyError) for one in refused)


def test_a_patient_client_gets_every_answer(server: LiveServer) -> None:
    with Client.of_state(server.settings.state, retries=PATIENT) as client:
        assert all(isinstance(one, Result) for one in outcomes(client))


def test_the_gateway_says_busy_and_when_to_come_back(gateway: str) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(
            pool.map(lambda _: requests.post(f"{gateway}/v1/detect", data=VIDEO, timeout=60), range(AT_ONCE))
        )
    refused = [answer for answer in answers if answer.status_code != 200]
    assert 0 < len(refused) < AT_ONCE
    for answer in refused:
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "busy"
        assert int(answer.headers["Retry-After"]) >= 1


def test_a_patient_client_of_the_gateway_gets_every_answer(gateway: str) -> None:
    with Client(gateway, api_key="anyone", retries=PATIENT) as client:
        assert all(isinstance(one, Result) for one in outcomes(client))
