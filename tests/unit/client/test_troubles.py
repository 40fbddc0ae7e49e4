"""What goes wrong between a client and a server is the same error, whether it was awaited or not."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
import trustme

import outofsync_client as oos
from outofsync_client import AsyncClient, Client, Retries, Timeouts

VIDEO = bytes(1_000_000)  # more than a socket takes at once
RESET = struct.pack("ii", 1, 0)  # closing then sends one
SOON = Timeouts(connect=1.0, read=1.0)

Act = Callable[[socket.socket], None]


def receive(connection: socket.socket, size: int) -> None:
    """Some of a request, at least so much of it."""
    while size > 0 and (data := connection.recv(1 << 16)):
        size -= len(data)


def receive_all(connection: socket.socket) -> None:
    receive(connection, len(VIDEO) + 500)  # less than the form's frame and the head have


def hang_up(_: socket.socket) -> None:
    pass


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def reset_after(size: int) -> Act:
    def act(connection: socket.socket) -> None:
        receive(connection, size)
        reset(connection)

    return act


def refuse_in_plain(connection: socket.socket) -> None:
    receive(connection, 1)
    connection.sendall(b"HTTP/1.1 400 Bad\r\n\r\n")


def keep_silent(connection: socket.socket) -> None:
    receive(connection, 1 << 40)  # until the client hangs up


def say(answer: bytes, then: Act = hang_up) -> Act:
    def act(connection: socket.socket) -> None:
        receive_all(connection)
        connection.sendall(answer)
        then(connection)

    return act


HALF = b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"id":'
ZIPPED = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"
ELSEWHERE = b"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True)
class Trouble:
    """What a server does, and what a client then says."""

    act: Act
    error: type[oos.OutOfSyncError]
    words: str = ""
    secure: bool = False  # the client expects TLS
    speaks_tls: bool = False


TROUBLES = {
    "it hangs up at once": Trouble(hang_up, oos.ConnectionLostError),
    "it breaks off in the midst of the upload": Trouble(
        reset_after(len(VIDEO) // 2), oos.ConnectionLostError
    ),
    "it hangs up instead of an answer": Trouble(say(b""), oos.ConnectionLostError),
    "its answer's head is cut short": Trouble(say(b"HTTP/1.1 200 OK\r\nConte"), oos.ConnectionLostError),
    "its answer has no length and no body": Trouble(
        say(b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n"), oos.ConnectionLostError
    ),
    "its answer is cut short": Trouble(say(HALF), oos.ConnectionLostError),
    "its answer breaks off": Trouble(say(HALF, reset), oos.ConnectionLostError),
    "it speaks no HTTP": Trouble(say(b"\x00\x01garbage\r\n\r\n"), oos.ConnectionLostError),
    "its answer cannot be unpacked": Trouble(say(ZIPPED), oos.ConnectionLostError),
    "it sends the client elsewhere": Trouble(say(ELSEWHERE), oos.UnexpectedAnswerError, "HTTP 307"),
    "it never answers": Trouble(keep_silent, oos.RequestTimeoutError, "no answer within 1 seconds"),
    "it never ends its answer": Trouble(
        say(HALF, keep_silent), oos.RequestTimeoutError, "no complete answer within 1 seconds"
    ),
    "its handshake never comes": Trouble(keep_silent, oos.UnreachableError, "does not answer", secure=True),
    "it hangs up in the handshake": Trouble(hang_up, oos.ConnectionLostError, secure=True),
    "it breaks off in the handshake": Trouble(reset_after(1), oos.ConnectionLostError, secure=True),
    "it speaks no TLS": Trouble(refuse_in_plain, oos.UntrustedServerError, secure=True),
    "nobody vouches for it": Trouble(
        keep_silent, oos.UntrustedServerError, "no trusted", secure=True, speaks_tls=True
    ),
}


def trickle(connection: socket.socket) -> None:
    while True:  # until the client hangs up
        connection.sendall(b" ")
        time.sleep(0.01)


def take_little_by_little(connection: socket.socket) -> None:
    while connection.recv(1 << 16):
        time.sleep(0.02)


@contextmanager
def served(trouble: Trouble) -> Iterator[str]:
    """The URL of a server that does this with every connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if trouble.speaks_tls:
        trustme.CA().issue_cert("127.0.0.1").configure_cert(context)

    def meet(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            if trouble.speaks_tls:
                connection = context.wrap_socket(connection, server_side=True)
            trouble.act(connection)

    def accept() -> None:
        with suppress(OSError):  # the listener was shut down
            while True:
                connection, _ = listener.accept()
                threads.append(threading.Thread(target=meet, args=(connection,)))
                threads[-1].start()

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        threads = [threading.Thread(target=accept)]
        threads[0].start()
        scheme = "https" if trouble.secure else "http"
        try:
            yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


def ask(url: str, video: bytes = VIDEO, **settings: Any) -> oos.OutOfSyncError:
    with Client(url, **settings) as client, pytest.raises(oos.OutOfSyncError) as caught:
        client.detect(video)
    return caught.value


def ask_and_await(url: str, video: bytes = VIDEO, **settings: Any) -> oos.OutOfSyncError:
    async def detect() -> oos.OutOfSyncError:
        async with AsyncClient(url, **settings) as client:
            with pytest.raises(oos.OutOfSyncError) as caught:
                await client.detect(video)
            return caught.value

    return asyncio.run(detect())


Ask = Callable[..., oos.OutOfSyncError]
either_way = pytest.mark.parametrize("asked", [ask, ask_and_await], ids=["blocking", "awaited"])


@either_way
@pytest.mark.parametrize("name", TROUBLES)
def test_each_trouble_is_told_as_what_it_is(name: str, asked: Ask) -> None:
    trouble = TROUBLES[name]
    with served(trouble) as url:
        error = asked(url, retries=Retries.none(), timeout=SOON)
    assert type(error) is trouble.error
    assert trouble.words in error.message
    assert error.request_id


@either_way
def test_nobody_there_is_told_as_such(asked: Ask) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        error = asked(f"http://127.0.0.1:{taken.getsockname()[1]}", retries=Retries.none())
    assert type(error) is oos.UnreachableError
    assert type(asked("http://nowhere.invalid", retries=Retries.none())) is oos.UnreachableError


UNENDING = {
    "no answer": keep_silent,
    "an answer that never ends": say(HALF, trickle),
    "an upload that never ends": take_little_by_little,
}


@either_way
@pytest.mark.parametrize("name", UNENDING)
def test_a_request_ends_when_its_time_in_all_is_over(name: str, asked: Ask) -> None:
    """However much is moving meanwhile, and though it would be sent again."""
    video = bytes(50_000_000)  # more than the buffers on the way hold
    patient = Retries(attempts=1000, first_wait=0.0, budget=1e6, timeouts=True)
    with served(Trouble(UNENDING[name], oos.RequestTimeoutError)) as url:
        error = asked(url, video, retries=patient, timeout=Timeouts(total=1.0))
    assert type(error) is oos.RequestTimeoutError
    assert error.message == "no answer within 1 seconds in all"


@either_way
def test_waits_between_attempts_count_as_well(asked: Ask) -> None:
    busy = say(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
    patient = Retries(attempts=10**9, first_wait=0.05, longest_wait=0.05, budget=1e6)
    with served(Trouble(busy, oos.BusyError)) as url:
        error = asked(url, b"video", retries=patient, timeout=Timeouts(total=1.0))
    assert type(error) in (oos.BusyError, oos.RequestTimeoutError), "whichever came last"
