"""A proxy between a client and a real server that misbehaves as its script says.

It passes bytes, so that TLS goes through it as well. Every connection meets the script's next fault; once
the script has come to its end, connections are passed on unharmed. What clients sent is kept.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from select import select
from types import TracebackType
from typing import Protocol
from urllib.parse import urlsplit

READ_BYTES = 1 << 16
CONNECT_S = 30.0
NO_LINGERING = struct.pack("ii", 1, 0)  # closing then sends a reset
END_OF_HEAD = b"\r\n\r\n"


@dataclass(frozen=True)
class Asked:
    """One request as it arrived: its first line, its headers by lower-case names, and its body."""

    line: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def fields(self) -> dict[str, bytes]:
        """The fields of a form that arrived whole."""
        kind = Message()
        kind["Content-Type"] = self.headers["content-type"]
        mark = f"--{kind.get_param('boundary')}".encode()
        found = {}
        for part in self.body.split(mark)[1:-1]:
            head, _, value = part.removeprefix(b"\r\n").partition(END_OF_HEAD)
            name = head.split(b'name="', 1)[1].split(b'"', 1)[0].decode()
            found[name] = value.removesuffix(b"\r\n")
        return found


def asked_in(received: bytes) -> list[Asked]:
    """The requests of one connection, of which the last may be cut short."""
    found = []
    while received:
        head, _, received = received.partition(END_OF_HEAD)
        line, *lines = head.decode("latin-1").split("\r\n")
        pairs = (text.partition(":") for text in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        length = int(headers.get("content-length", 0))
        found.append(Asked(line, headers, received[:length]))
        received = received[length:]
    return found


@dataclass
class Connection:
    """One connection of a client: when it was opened (seconds of the clock), and what came over it."""

    channel: socket.socket
    server: tuple[str, int]
    opened: float = field(default_factory=time.time)
    received: bytearray = field(default_factory=bytearray)

    def receive(self) -> bytes:
        """Some more of what the client sends; nothing once it has hung up."""
        data = self.channel.recv(READ_BYTES)
        self.received += data
        return data

    def receive_request(self) -> None:
        """Wait for one whole request (plain HTTP alone)."""
        while END_OF_HEAD not in self.received and self.receive():
            pass
        head = self.received.index(END_OF_HEAD) + len(END_OF_HEAD)
        (asked,) = asked_in(bytes(self.received[:head]))
        whole = head + int(asked.headers.get("content-length", 0))
        while len(self.received) < whole and self.receive():
            pass

    def pass_on(self, *, up: int | None = None, upload: int = 0, down: int | None = None) -> None:
        """Pass bytes both ways until one side hangs up.

        Or until ``up`` bytes came from the client, or ``down`` bytes came back after it had sent ``upload``.
        """
        with socket.create_connection(self.server, timeout=CONNECT_S) as server:
            came_back = 0
            while True:
                ready, _, _ = select([self.channel, server], [], [])
                if self.channel in ready:
                    if not (data := self.receive()):
                        return
                    server.sendall(data)
                    if up is not None and len(self.received) >= up:
                        return
                if server in ready:
                    if not (data := server.recv(READ_BYTES)):
                        return
                    if down is not None and len(self.received) >= upload:
                        data = data[: down - came_back]
                        came_back += len(data)
                    self.channel.sendall(data)
                    if came_back == down:
                        return

    def reset(self) -> None:
        """Break off without a word."""
        self.channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGERING)


class Fault(Protocol):
    """What becomes of a connection; it is closed afterwards."""

    def meet(self, connection: Connection) -> None: ...


@dataclass(frozen=True)
class Pass:
    """Nothing at all: it goes through."""

    def meet(self, connection: Connection) -> None:
        connection.pass_on()


@dataclass(frozen=True)
class Reset:
    """A reset once so many bytes came from the client; 0: before the request."""

    after: int = 0

    def meet(self, connection: Connection) -> None:
        if self.after:
            connection.pass_on(up=self.after)
        connection.reset()


@dataclass(frozen=True)
class CutAnswer:
    """The first bytes of the answer to an upload, and ``then`` another fault; an end as if that were all."""

    upload: int  # bytes that the client sends at least before there is an answer
    after: int
    then: Fault | None = None

    def meet(self, connection: Connection) -> None:
        connection.pass_on(upload=self.upload, down=self.after)
        if self.then:
            self.then.meet(connection)


@dataclass(frozen=True)
class Say:
    """These bytes instead of the server's answer."""

    data: bytes

    def meet(self, connection: Connection) -> None:
        connection.receive_request()
        connection.channel.sendall(self.data)


@dataclass(frozen=True)
class Silence:
    """Nothing more for as long as the client waits."""

    def meet(self, connection: Connection) -> None:
        while connection.receive():
            pass


def answer(status: int, body: bytes = b"", **headers: str) -> Say:
    """An HTTP answer; headers' names have underscores for dashes."""
    named = {"Content-Length": str(len(body)), "Connection": "close"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{k}: {v}" for k, v in named.items())]
    return Say("\r\n".join(lines).encode() + END_OF_HEAD + body)


class FaultProxy:
    """Stands before the server at ``upstream``. A context manager, which ends every connection.

    With ``listens`` False connections are refused until :meth:`listen` is called.
    """

    def __init__(self, upstream: str, *script: Fault, listens: bool = True) -> None:
        parts = urlsplit(upstream)
        assert parts.hostname
        assert parts.port
        self._server = (parts.hostname, parts.port)
        self._scheme = parts.scheme
        self._script = deque(script)
        self._threads: list[threading.Thread] = []
        self.connections: list[Connection] = []
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        if listens:
            self.listen()

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # it never listened
            self._listener.shutdown(socket.SHUT_RDWR)
        for connection in self.connections:
            with suppress(OSError):  # it has ended
                connection.channel.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    @property
    def url(self) -> str:
        """By the name of this machine that a certificate of the server's holds."""
        host = "localhost" if self._scheme == "https" else "127.0.0.1"
        return f"{self._scheme}://{host}:{self._listener.getsockname()[1]}"

    @property
    def asked(self) -> list[Asked]:
        """Every request so far, in the order of their connections (plain HTTP alone)."""
        return [one for connection in self.connections for one in asked_in(bytes(connection.received))]

    def listen(self) -> None:
        self._listener.listen()
        self._start(self._accept)

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener was shut down
            while True:
                channel, _ = self._listener.accept()
                connection = Connection(channel, self._server)
                self.connections.append(connection)
                fault = self._script.popleft() if self._script else Pass()
                self._start(self._meet, fault, connection)

    def _meet(self, fault: Fault, connection: Connection) -> None:
        with ExitStack() as left, suppress(OSError):  # whoever hangs up is part of the test
            left.callback(connection.channel.close)
            fault.meet(connection)
