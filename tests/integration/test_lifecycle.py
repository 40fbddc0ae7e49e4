"""Servers start side by side, stop alone, and leave nothing behind."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import psutil
import pytest
import requests
from media_factory import Media
from server_fixture import LiveServer, MakeServer

from outofsync_client import Client
from serving.lifecycle import rotate, start, stop
from serving.settings import ServeError

pytestmark = pytest.mark.server


def family(server: LiveServer) -> list[psutil.Process]:
    """Supervisor, Java, two workers, and what forks decoders for the first."""
    supervisor = server.folder.processes()[0]
    return [supervisor, *supervisor.children(recursive=True)]


def is_ready(server: LiveServer) -> bool:
    state = server.folder.server()
    if state is None:
        return False
    return "error" not in LiveServer(state, server.settings).detect(Media().to_bytes())


def test_stopping_one_server_leaves_the_other(server: LiveServer, make_server: MakeServer) -> None:
    other = make_server()
    assert other.state.url != server.state.url
    processes = family(other)
    assert len(processes) == 5
    assert stop(other.settings.state, drain_s=5)
    assert not psutil.wait_procs(processes, timeout=30)[1]
    assert other.folder.server() is None
    assert is_ready(server)


def test_stopping_twice_says_that_nothing_runs(tmp_path: Path) -> None:
    assert not stop(tmp_path, drain_s=1)


def test_a_second_server_in_the_same_folder_is_a_sentence(server: LiveServer) -> None:
    with pytest.raises(ServeError, match=f"a server runs already at {server.state.url}; .*make stop"):
        start(server.settings)


def test_a_request_under_way_is_answered_before_the_end(make_server: MakeServer) -> None:
    server = make_server()
    video = Media(frames=500).to_bytes()
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(server.detect, video)
        while not server.java().net_connections("tcp"):
            time.sleep(0.01)
        time.sleep(0.3)  # the upload takes less, the judging more
        assert not answer.done()
        stop(server.settings.state, drain_s=60)
        assert "verdict" in answer.result()
    assert server.folder.processes() == []


def test_what_a_killed_supervisor_left_ends_at_the_next_start(make_server: MakeServer) -> None:
    server = make_server()
    processes = family(server)
    processes[0].kill()
    processes[0].wait()
    assert server.folder.processes() == processes[1:2], "Java outlives its supervisor"
    assert server.folder.server() is None
    temporary = server.folder.temporary_link.readlink()
    start(server.settings)
    assert not psutil.wait_procs(processes, timeout=30)[1]
    assert not temporary.exists()
    assert is_ready(server)


def wait_for(condition: Callable[[], object]) -> None:
    """Until something is so; a test that waits in vain ends by the suite's own limit."""
    while not condition():
        time.sleep(0.05)


def test_torchserve_is_started_anew_when_it_dies(make_server: MakeServer) -> None:
    server = make_server()
    supervisor, java, *workers = family(server)
    java.kill()
    assert not psutil.wait_procs([java, *workers], timeout=60)[1]
    wait_for(lambda: not server.folder.server_file.exists())
    wait_for(server.folder.server)
    back = server.folder.server()
    assert back is not None
    assert (back.url, back.management_url, back.pid) == (
        server.state.url,
        server.state.management_url,
        supervisor.pid,
    )
    assert back.token != server.state.token
    assert is_ready(server)
    assert "TorchServe ended by itself" in server.folder.log_file.read_text()


def test_a_client_waits_for_torchserve_to_be_back(make_server: MakeServer) -> None:
    server = make_server()
    video = Media(frames=20).to_bytes()
    with Client.of_state(server.settings.state) as client:
        client.detect(video)
        server.java().kill()
        assert client.detect(video).id


def test_a_server_that_dies_again_and_again_is_given_up(
    small_store: Path, make_server: MakeServer, tmp_path: Path
) -> None:
    store = shutil.copytree(small_store, tmp_path / "store")
    server = make_server(model_store=store)
    supervisor = family(server)[0]
    (store / "ensemble.mar").write_bytes(b"no archive")
    server.java().kill()
    supervisor.wait()
    assert "TorchServe ended 5 times" in server.folder.log_file.read_text()
    assert server.folder.processes() == []


def test_tokens_change_under_load_and_nobody_is_refused(small_store: Path, make_server: MakeServer) -> None:
    server = make_server(model_store=small_store)
    video = Media(frames=20).to_bytes()
    enough = Event()
    tokens = {server.state.token}
    answered: list[str] = []

    def ask(client: Client) -> None:
        while not enough.is_set():
            answered.append(client.detect(video, mode="reference", deblur="never").id)

    with Client.of_state(server.settings.state) as client, ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(ask, client) for _ in range(4)]
        for turn in range(1, 6):
            tokens.add(rotate(server.settings.state).token)
            while len(answered) < 4 * turn and not any(asking.done() for asking in clients):
                time.sleep(0.05)
        enough.set()
        for asking in clients:
            asking.result()  # raises what a client was refused with
    assert len(tokens) == 6
    assert server.post("/wfpredict/deepfake", data=video).status_code == 400, "the first token has ended"


def test_an_idle_connection_does_not_hold_up_the_end(small_store: Path, make_server: MakeServer) -> None:
    server = make_server(model_store=small_store)
    with requests.Session() as session:
        ping = session.get(
            f"{server.state.url}/ping", headers={"Authorization": f"Bearer {server.state.token}"}
        )
        assert ping.ok
        started = time.monotonic()
        stop(server.settings.state, drain_s=60)
        assert time.monotonic() - started < 30


def test_servers_that_start_at_the_same_moment_find_ports_of_their_own(
    small_store: Path, make_server: MakeServer
) -> None:
    with ThreadPoolExecutor(2) as pool:
        started = [pool.submit(make_server, model_store=small_store) for _ in range(2)]
        first, second = (server.result() for server in started)
    assert first.state.url != second.state.url


def test_archives_that_were_altered_are_named(
    model_store: Path, make_server: MakeServer, tmp_path: Path
) -> None:
    store = shutil.copytree(model_store, tmp_path / "store")
    (store / "ensemble.mar").write_bytes(b"no archive")
    state = tmp_path / "state"
    with pytest.raises(ServeError, match=r"ensemble\.mar is refused: .*make archives"):
        make_server(model_store=store, state=state)
    assert not (state / "server.json").exists()
    assert not (state / "processes.json").exists()
