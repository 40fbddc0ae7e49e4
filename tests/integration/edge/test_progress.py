"""A request is followed through the whole chain, and one that its caller gives up frees the server."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import requests
from edge_fixture import ANSWER_S, LiveEdge
from media_factory import Media

from outofsync.progress import Step
from serving.settings import ROOT
from serving.torchserve.draining import is_at_work

pytestmark = pytest.mark.server

SAMPLE = (ROOT / "samples" / "synchronised.mp4").read_bytes()
LONG = Media(
    frames=25 * 120, width=640, height=480
).to_bytes()  # looked through for faces, which takes a while


def wait_for(condition: Callable[[], object]) -> None:
    """Until something is so; a test that waits in vain ends by the suite's own limit."""
    while not condition():
        time.sleep(0.05)


def connect(edge: LiveEdge) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=edge.authority)
    plain = socket.create_connection(("localhost", edge.settings.port))
    return context.wrap_socket(plain, server_hostname="localhost")


@contextmanager
def following(edge: LiveEdge, name: str) -> Iterator[Iterator[tuple[str, dict[str, Any]]]]:
    """The events of a request, as they come through nginx."""
    with edge.ask("GET", f"/v1/requests/{name}/events", stream=True) as response:
        assert response.status_code == 200, response.text
        yield told(response)


def told(response: requests.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    name = ""
    for line in response.iter_lines(chunk_size=1, decode_unicode=True):
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def sending(edge: LiveEdge, data: bytes, name: str, session: requests.Session) -> threading.Thread:
    """A request that goes on by itself, until its session is closed."""

    def send() -> None:
        headers = {"X-Api-Key": edge.key, "X-OutOfSync-Request-Id": name}
        form: dict[str, Any] = {"data": ("video", data), "options": (None, '{"deblur": "always"}')}
        with suppress(requests.RequestException):
            session.post(
                f"{edge.url}/v1/detect", headers=headers, files=form, verify=edge.authority, timeout=ANSWER_S
            )

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def outcomes(edge: LiveEdge, name: str) -> list[tuple[str, str]]:
    """Code and stage of what became of a request at the nodes, as the log has it; empty where all is well."""
    lines = edge.servers[0].folder.log_file.read_text().splitlines()
    entries = [json.loads(line).get("entry", {}) for line in lines if f'"{name}"' in line]
    return [
        (entry.get("code", ""), entry.get("stage", "")) for entry in entries if entry["event"] == "request"
    ]


def test_every_step_is_seen_through_nginx(edge: LiveEdge) -> None:
    folder = edge.servers[0].folder.progress_folder
    before = set(folder.iterdir())  # what gateways left that were killed lies there for a while
    with requests.Session() as session:
        sender = sending(edge, SAMPLE, "followed", session)
        with following(edge, "followed") as events:
            found = list(events)
        sender.join()
    assert found[-1] == ("end", {"status": 200})
    stages = list(dict.fromkeys(data["stage"] for name, data in found if name == "progress"))
    order = ["receiving", "queued", *Step]
    assert [order.index(stage) for stage in stages] == sorted(order.index(stage) for stage in stages)
    assert {Step.FACES, Step.DEBLUR, Step.SCORE} <= set(stages), "each of them takes a while"
    wait_for(lambda: set(folder.iterdir()) <= before)


def test_a_request_that_is_given_up_frees_the_server(edge: LiveEdge) -> None:
    folder = edge.servers[0].folder
    before = set(folder.progress_folder.iterdir())
    caller = connect(edge)
    head = f"POST /v1/detect HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: {edge.key}\r\n"
    head += f"X-OutOfSync-Request-Id: given-up\r\nContent-Length: {len(LONG)}\r\n\r\n"
    caller.sendall(head.encode() + LONG)
    with following(edge, "given-up") as events:
        while next(events)[1].get("stage") != Step.FACES:
            pass
        assert is_at_work(folder.temporary_link)
        caller.close()
        assert list(events)[-1] == ("end", {"status": 499})
    wait_for(lambda: not is_at_work(folder.temporary_link))
    assert set(folder.progress_folder.iterdir()) <= before
    assert not list((folder.temporary_link / "clips").iterdir())
    wait_for(lambda: outcomes(edge, "given-up"))
    assert outcomes(edge, "given-up") == [("cancelled", Step.FACES)]
    assert edge.detect(SAMPLE).status_code == 200
