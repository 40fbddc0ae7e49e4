"""Ways to abuse a service that answers over HTTPS, each as hard as one machine's threads can.

All stay within loopback and end by themselves.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import socket
import ssl
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Protocol

import httpx

from benchmarks.alterations import UNCHANGED, written
from benchmarks.load import ROOT
from outofsync_client.protocol import LOOPBACK
from training.evaluation.degradations import read_footage

ABUSER_ADDRESS = "127.0.0.66"
THREADS = 64  # more than a key may have connections
ANSWER_S = 300.0
SECONDS, TINY_S = 1.5, 0.5  # of the videos that are judged, and of those that are refused as too short
SAMPLE = ROOT / "samples" / "synchronised.mp4"
FORM = "multipart/form-data; boundary=b"


@dataclass(frozen=True)
class Site:
    """Where to ask, and with which key."""

    port: int
    authority: Path
    key: str

    def client(self, address: str) -> httpx.Client:
        """A caller from an address of loopback."""
        context = ssl.create_default_context(cafile=str(self.authority))
        transport = httpx.HTTPTransport(verify=context, local_address=address)
        return httpx.Client(
            transport=transport,
            base_url=f"https://localhost:{self.port}",
            headers={"X-Api-Key": self.key},
            timeout=ANSWER_S,
        )

    @contextmanager
    def channel(self) -> Iterator[ssl.SSLSocket]:
        """A connection of the abuser's, for bytes that no library sends."""
        context = ssl.create_default_context(cafile=str(self.authority))
        where = (LOOPBACK, self.port)
        with (
            socket.create_connection(where, 30.0, (ABUSER_ADDRESS, 0)) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as channel,
        ):
            yield channel


class Over(Protocol):
    """Says when an abuse is to end."""

    def is_set(self) -> bool: ...
    def wait(self, timeout: float | None = None) -> bool: ...


NOTHING = "processor-alone"  # with which the others are compared: no service is asked
Kind = Callable[[Site, Over], object]  # one thread's abuse, until it is over


def slow_uploads(site: Site, over: Over) -> None:
    """A byte a second of a large upload, over and over."""
    with site.channel() as channel:
        channel.sendall(_head(site, "Content-Length: 1000000"))
        while not over.wait(1.0):
            channel.sendall(b"x")


def header_floods(site: Site, over: Over) -> None:
    """Heads without end, as fast as they are taken."""
    line = b"X-Flood: " + b"x" * 7000 + b"\r\n"
    while not over.is_set():
        with suppress(OSError), site.channel() as channel:
            channel.sendall(b"POST /v1/detect HTTP/1.1\r\nHost: localhost\r\n")
            for _ in range(100):
                channel.sendall(line)


def many_fields(site: Site, over: Over) -> None:
    """Forms of a hundred thousand fields."""
    _post(site, over, fields(), {"Content-Type": FORM})


def compressed_bodies(site: Site, over: Over) -> None:
    """Two hundred megabytes of zeros, coded in two hundred kilobytes."""
    _post(site, over, bomb(), {"Content-Encoding": "gzip"})


def repeated_keys(site: Site, over: Over) -> None:
    """Another made-up key with each request."""
    number = 0
    with site.client(ABUSER_ADDRESS) as client:
        while not over.is_set():
            number += 1
            with suppress(httpx.HTTPError):
                client.get("/v1/models", headers={"X-Api-Key": f"guess-{id(client)}-{number}"})


def tiny_videos(site: Site, over: Over) -> None:
    """Videos of half a second: hardly anything to send, and refused once they are decoded."""
    _post(site, over, short(TINY_S), {})


def one_against_many(site: Site, over: Over) -> None:
    """The others' own video, from as many connections as a key can have."""
    _post(site, over, short(SECONDS), {})


def nothing(site: Site, over: Over) -> None:  # noqa: ARG001
    """No abuse at all, but as much of this machine's processor: what the abuser itself takes of it."""
    digest = hashlib.sha256()
    while not over.is_set():
        digest.update(bytes(1 << 20))


KINDS: dict[str, Kind] = {
    "slow-uploads": slow_uploads,
    "header-floods": header_floods,
    "many-fields": many_fields,
    "compressed-bodies": compressed_bodies,
    "repeated-keys": repeated_keys,
    "tiny-videos": tiny_videos,
    "one-against-many": one_against_many,
    NOTHING: nothing,
}


def _head(site: Site, *lines: str) -> bytes:
    own = ("POST /v1/detect HTTP/1.1", "Host: localhost", f"X-Api-Key: {site.key}")
    return "".join(f"{line}\r\n" for line in (*own, *lines, "")).encode()


@cache
def fields() -> bytes:
    return b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\n\r\n' * 100_000 + b"--b--\r\n"


@cache
def bomb() -> bytes:
    packer = zlib.compressobj(wbits=31)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()


@cache
def short(seconds: float) -> bytes:
    """So much of a sample."""
    return written(read_footage(SAMPLE.read_bytes(), seconds), UNCHANGED)


def _post(site: Site, over: Over, body: bytes, headers: dict[str, str]) -> None:
    with site.client(ABUSER_ADDRESS) as client:
        while not over.is_set():
            with suppress(httpx.HTTPError):
                client.post("/v1/detect", content=body, headers=headers)


def abuse(kind: str, site: Site, begun: Event, over: Event, threads: int) -> None:
    """Abuse of one kind from many threads, by a process of its own that takes what is left of the cores.

    An abuser has a machine of his own; this one must not take it from the service.
    """
    short(SECONDS), short(TINY_S), bomb(), fields()  # made before it begins
    os.nice(19)

    def go_on() -> None:
        while not over.is_set():
            with suppress(OSError):
                KINDS[kind](site, over)
            over.wait(0.05)  # cut off: it comes again

    abusers = [threading.Thread(target=go_on, daemon=True) for _ in range(threads)]
    for one in abusers:
        one.start()
    begun.set()
    over.wait()
    for one in abusers:
        one.join(5.0)


@contextmanager
def abused(kind: str, site: Site, threads: int = THREADS) -> Iterator[None]:
    """Abuse of one kind for as long as the block lasts."""
    spawning = multiprocessing.get_context("spawn")
    begun, over = spawning.Event(), spawning.Event()
    process = spawning.Process(target=abuse, args=(kind, site, begun, over, threads), daemon=True)
    process.start()
    try:
        while not begun.wait(1.0):  # what it needs takes seconds to be imported
            if not process.is_alive():
                raise RuntimeError(f"the abuser ended before it began: {kind}")
        yield
    finally:
        over.set()
        process.join(30.0)
        process.kill()
        process.join()
