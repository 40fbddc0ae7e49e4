"""Callers that fail a thousand times, hang up, dawdle, or go silent: nobody notices, nothing piles up."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from urllib.parse import urlsplit

import pytest
from media_factory import Media
from server_fixture import LiveServer
from under_load import VIDEO, wait_for

from benchmarks.vitals import Vitals, parts, temporary, vitals
from outofsync_client import Client, Retries

pytestmark = pytest.mark.server

# Of 1,000 requests: a leak of one thread or file each would be 1,000. Netty and Python keep a few for use.
MORE_THREADS = 20
MORE_DESCRIPTORS = 10
# A leak of each upload would be 300 MB in every process that it passes; Java's heap alone, which is collected
# only when it must be, breathes by tens of MB.
MORE_MB = 100.0
PADDING = bytes(300_000)


def bad_request(server: LiveServer, number: int) -> None:
    """One that fails, each in one of eight ways."""
    chance = random.Random(number)
    noise, letter = chance.randbytes(20_000), b"a letter " * 99
    files = (b"", noise + PADDING, letter + PADDING, VIDEO[: len(VIDEO) // 2], VIDEO[200:] + PADDING)
    way = number % (len(files) + 3)
    if way < len(files):
        assert "error" in server.detect(files[way])
    elif way == len(files):
        assert server.detect_error(VIDEO, deblur="perhaps")["code"] == "bad_options"
    else:
        hang_up(server, share=0.5 if way == len(files) + 1 else 1.0)


def heading(server: LiveServer, length: int) -> bytes:
    lines = (
        "POST /wfpredict/deepfake HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {server.state.token}",
        f"Content-Length: {length}",
        "Content-Type: application/octet-stream",
    )
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


@contextmanager
def connected(server: LiveServer) -> Iterator[socket.socket]:
    where = urlsplit(server.state.url)
    with socket.create_connection((where.hostname, where.port), timeout=60) as connection:
        yield connection


def hang_up(server: LiveServer, share: float) -> None:
    """Leave after a share of the upload; after all of it, the answer has no reader."""
    with connected(server) as connection:
        connection.sendall(heading(server, len(VIDEO)) + VIDEO[: round(share * len(VIDEO))])


def held(server: LiveServer) -> dict[str, Vitals]:
    """What each process holds once all is quiet."""
    server.detect(VIDEO)  # the work of those who hung up is done before this
    time.sleep(1.0)
    return vitals(parts(server.folder))


def test_a_thousand_failing_requests_leave_nothing_behind(server: LiveServer) -> None:
    def fail(numbers: range) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: bad_request(server, number), numbers))

    fail(range(100))  # caches fill, pools reach their size
    before, files = held(server), temporary(server.folder)["files"]
    fail(range(1000))
    after = held(server)
    assert {name: part.pid for name, part in after.items()} == {
        name: part.pid for name, part in before.items()
    }
    for name, now in after.items():
        then = before[name]
        assert now.threads <= then.threads + MORE_THREADS, name
        assert now.descriptors <= then.descriptors + MORE_DESCRIPTORS, name
        assert now.pss_mb <= then.pss_mb + MORE_MB, name
    assert temporary(server.folder)["files"] == files


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_caller_that_hangs_up_is_nobodys_trouble(server: LiveServer, share: float) -> None:
    workers = server.workers()
    descriptors = server.java().num_fds()
    for _ in range(20):
        hang_up(server, share)
    assert "verdict" in server.detect(VIDEO)
    assert server.workers() == workers
    wait_for(lambda: server.java().num_fds() <= descriptors + MORE_DESCRIPTORS)


def test_slow_and_silent_callers_delay_nobody(server: LiveServer) -> None:
    """Fifty send a byte a second, fifty nothing at all; ending them is the edge's part."""
    with ExitStack() as stack, Client.of_state(server.settings.state, retries=Retries.none()) as client:
        slow = [stack.enter_context(connected(server)) for _ in range(50)]
        silent = [stack.enter_context(connected(server)) for _ in range(50)]
        for connection in slow:
            connection.sendall(heading(server, 1_000_000))
        for _ in range(3):
            for connection in slow:
                connection.sendall(b"x")
            started = time.monotonic()
            with ThreadPoolExecutor(4) as pool:
                results = list(pool.map(lambda _: client.detect(VIDEO), range(4)))
            assert all(result.verdict for result in results)
            assert time.monotonic() - started < 30.0, "it takes about a second"
        assert all(is_open(connection) for connection in (*slow, *silent)), (
            "TorchServe has no patience to lose"
        )


def is_open(connection: socket.socket) -> bool:
    connection.settimeout(0.0)
    try:
        return bool(connection.recv(1))
    except BlockingIOError:
        return True


def test_a_caller_that_vanishes_without_a_word(server: LiveServer) -> None:
    """Its connection is half open: closed for sending before the upload is whole, or reset."""
    with connected(server) as half, connected(server) as reset:
        half.sendall(heading(server, 1_000_000) + b"x")
        half.shutdown(socket.SHUT_WR)
        reset.sendall(heading(server, 1_000_000) + b"x")
        reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        reset.close()
        with suppress(ConnectionResetError):  # it left a byte unread
            assert half.recv(100) == b"", "TorchServe hangs up, too"
    assert "verdict" in server.detect(Media(frames=20).to_bytes())
