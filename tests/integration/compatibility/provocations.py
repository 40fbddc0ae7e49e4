"""How each error a client can meet is provoked for real, and what is to be heard of it at which door."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psutil
from fault_proxy import FaultProxy, Reset, answer
from integration.compatibility.doors import (
    DIRECT,
    DOORS,
    ONE_TRY,
    PATIENCE_S,
    Site,
    error_of,
)
from media_factory import Media
from under_load import wait_for

import outofsync_client as oos
from outofsync_client import Client, OutOfSyncError, Timeouts

VIDEO = Media(frames=20).to_bytes()
LONG = Media(frames=500).to_bytes()  # there is time to catch its decoder
MOST_BYTES = 1_000_000
DECODE_S = 4.0  # far more than any file here takes, unless its decoder is stopped
QUEUE = 2
AT_ONCE = 16

Provoke = Callable[[Site, str], OutOfSyncError]


@dataclass(frozen=True)
class Told:
    """How a client hears of an error."""

    kind: type[OutOfSyncError]
    status: int = 0
    stage: str = ""


@dataclass(frozen=True)
class Case:
    """A way to an error, and what is heard of it at TorchServe's own door and at the edge."""

    provoke: Provoke
    direct: Told
    edge: Told
    doors: tuple[str, ...] = DOORS

    def expected(self, door: str) -> Told:
        return self.direct if door in DIRECT else self.edge


def same(provoke: Provoke, kind: type[OutOfSyncError], status: int = 0, stage: str = "") -> Case:
    """One that is told in the same words everywhere."""
    told = Told(kind, status, stage)
    return Case(provoke, told, told)


def refused(make: Callable[[], bytes]) -> Provoke:
    """Send a file that cannot be judged."""
    return lambda site, door: ask(site, door, make())


def ask(site: Site, door: str, video: bytes, **settings: Any) -> OutOfSyncError:
    """The error that one request ends with."""
    with site.client(door, retries=ONE_TRY, **settings) as client:
        return error_of(lambda: client.detect(video))


def bad_options(site: Site, door: str) -> OutOfSyncError:
    with site.client(door) as client:
        return error_of(lambda: client.detect(VIDEO, max_len=1))


def unreadable_file(site: Site, door: str) -> OutOfSyncError:
    with site.client(door) as client:
        return error_of(lambda: client.detect(site.folder / "nowhere.mp4"))


@contextmanager
def stopped(process: psutil.Process) -> Iterator[None]:
    """It stands still for as long as the block lasts."""
    process.suspend()
    try:
        yield
    finally:
        with suppress(psutil.NoSuchProcess):
            process.resume()


def decode_timeout(site: Site, door: str) -> OutOfSyncError:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, site, door, LONG)
        wait_for(site.decoders)
        with stopped(site.decoders()[0]):
            return asked.result()


def error_or_none(site: Site, door: str, video: bytes) -> OutOfSyncError | None:
    """The error that one request ends with, None where it is answered."""
    with site.client(door, retries=ONE_TRY) as client:
        try:
            client.detect(video)
        except OutOfSyncError as error:
            return error
    return None


def busy(site: Site, door: str) -> OutOfSyncError:
    """The worker stands still, and the queue before it is full."""

    def room() -> int:
        return int(site.describe("deblur")["jobQueueStatus"]["remainingCapacity"])

    with site.client("token", retries=ONE_TRY) as others, ThreadPoolExecutor(AT_ONCE) as pool:
        with stopped(site.worker()):
            waiting = []
            while room():
                waiting.append(pool.submit(others.detect, VIDEO))
            error = ask(site, door, VIDEO)
        judged = [one for one in waiting if one.exception() is None]
    # Those in the queue, and what the worker had taken before it stood still.
    assert len(judged) >= QUEUE, "those who were taken are served afterwards"
    assert error.retry_after if door == "edge" else error.retry_after is None
    return error


def internal(site: Site, door: str) -> OutOfSyncError:
    """The folder through which the nodes hand on their clips is gone."""
    clips = site.server.folder.temporary_link / "clips"
    aside = clips.with_name("aside")
    clips.rename(aside)
    try:
        return ask(site, door, VIDEO)
    finally:
        aside.rename(clips)


def worker_died(site: Site, door: str) -> OutOfSyncError:
    """The worker is killed whenever it is at the request, however often that is sent."""
    with site.client("token") as client:  # behind whatever earlier callers gave up and left in the queue
        client.detect(VIDEO)
    error = None
    while error is None:  # on a busy machine it may have had its answer before it was caught
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(error_or_none, site, door, LONG)
            while not asked.done():
                site.killed_at_work()
                time.sleep(0.02)
            error = asked.result()
    for back in ("token", "edge"):
        with site.client(back) as client:
            client.wait_until_ready(PATIENCE_S)
    return error


def timeout(site: Site, door: str) -> OutOfSyncError:
    with stopped(site.worker()):
        return ask(site, door, VIDEO, timeout=Timeouts(read=0.5))


def not_deployed(site: Site, door: str) -> OutOfSyncError:
    """This server has the workflow, and no model that deblurs alone."""
    with site.client(door, retries=ONE_TRY) as client:
        return error_of(lambda: client.deblur(VIDEO))


def elsewhere(url: str, **settings: Any) -> OutOfSyncError:
    """What a client of another address hears."""
    with Client(url, retries=ONE_TRY, **settings) as client:
        return error_of(lambda: client.detect(VIDEO))


def method_not_allowed(site: Site, door: str) -> OutOfSyncError:
    """A URL that has too much at its end; for TorchServe's own, that of management."""
    if door == "edge":
        return elsewhere(site.edge.url + "/v1", **site.keys(door))
    return elsewhere(site.now.management_url + "/models", token=site.now.management_token)


def authentication(site: Site, door: str) -> OutOfSyncError:
    if door == "edge":
        return elsewhere(site.edge.url, api_key="wrong", verify=site.edge.authority)
    return elsewhere(site.now.url, token="wrong")


def unreachable(site: Site, door: str) -> OutOfSyncError:
    """Nobody listens, or a state folder names nobody."""
    if door == "state":
        with Client.of_state(site.folder / "nowhere", retries=ONE_TRY) as client:
            return error_of(lambda: client.detect(VIDEO))
    with FaultProxy(site.url(door), listens=False) as proxy:
        return elsewhere(proxy.url, **site.keys(door))


def untrusted(site: Site, door: str) -> OutOfSyncError:
    """An authority that is not known here, or no TLS at all."""
    if door == "edge":
        return elsewhere(site.edge.url, api_key=site.edge.key)
    return elsewhere(site.now.url.replace("http:", "https:"), token=site.now.token)


def connection_lost(site: Site, door: str) -> OutOfSyncError:
    with FaultProxy(site.url(door), Reset(after=len(VIDEO) // 2)) as proxy:
        return elsewhere(proxy.url, **site.keys(door))


def unexpected_answer(site: Site, door: str) -> OutOfSyncError:
    """The edge's port of plain HTTP, which sends browsers on, or a page instead of TorchServe."""
    if door == "edge":
        url = f"http://localhost:{site.edge.settings.plain_port}"
        return elsewhere(url, api_key=site.edge.key)
    with FaultProxy(site.now.url, answer(200, b"<html></html>")) as proxy:
        return elsewhere(proxy.url, token=site.now.token)


def not_found(site: Site, door: str) -> OutOfSyncError:
    """A gateway without nginx before it, at an address that it has not."""
    return elsewhere(f"{site.url(door)}/v1", **site.keys(door))


TWO = ("token", "edge")  # a state folder leads to the same door as a token
NOWHERE = Told(OutOfSyncError)  # it is not met there

CASES: dict[str, Case] = {
    "empty_file": same(refused(lambda: b""), oos.EmptyFileError, 422, "probe"),
    "unsupported_media": same(refused(lambda: b"a letter" * 99), oos.UnsupportedMediaError, 415, "probe"),
    "corrupt_media": same(refused(lambda: VIDEO[: len(VIDEO) // 2]), oos.CorruptMediaError, 422, "probe"),
    "no_video": same(refused(lambda: Media(video=None).to_bytes()), oos.NoVideoError, 422, "probe"),
    "no_audio": same(refused(lambda: Media(audio=None).to_bytes()), oos.NoAudioError, 422, "probe"),
    "too_short": same(refused(lambda: Media(frames=3).to_bytes()), oos.TooShortError, 422, "decode"),
    "too_long": same(
        refused(lambda: Media(rate=1, frames=660, width=32, height=32, seconds=1).to_bytes()),
        oos.TooLongError,
        422,
        "probe",
    ),
    "too_large": same(refused(lambda: VIDEO + bytes(MOST_BYTES)), oos.TooLargeError, 413, "probe"),
    "too_many_pixels": same(
        refused(lambda: Media(frames=8, width=4160, height=64).to_bytes()),
        oos.TooManyPixelsError,
        422,
        "probe",
    ),
    "bad_options": same(bad_options, oos.BadOptionsError, 400, "request"),
    "internal": same(internal, oos.InternalError, 500, "request"),
    "unreadable_file": same(unreadable_file, oos.UnreadableFileError),
    "unreachable": same(unreachable, oos.UnreachableError),
    "decode_timeout": Case(
        decode_timeout,
        Told(oos.DecodeTimeoutError, 422, "decode"),
        Told(oos.DecodeTimeoutError, 422, "decode"),
        TWO,
    ),
    "busy": Case(busy, Told(oos.BusyError, 503), Told(oos.BusyError, 503, "edge"), TWO),
    "timeout": Case(timeout, Told(oos.RequestTimeoutError), Told(oos.RequestTimeoutError), TWO),
    # Of workers the edge's callers hear nothing, see below.
    "worker_died": Case(worker_died, Told(oos.WorkerDiedError, 500), NOWHERE, ("token",)),
    "not_deployed": Case(
        not_deployed, Told(oos.NotDeployedError, 404), Told(oos.NotDeployedError, 404, "edge")
    ),
    # nginx has pages under every other address, so that there a POST is only asked in the wrong way.
    "not_found": Case(not_found, NOWHERE, Told(oos.NotFoundError, 404, "edge"), ("gateway",)),
    "method_not_allowed": Case(
        method_not_allowed,
        Told(oos.MethodNotAllowedError, 405),
        Told(oos.MethodNotAllowedError, 405, "edge"),
        TWO,
    ),
    "authentication": Case(
        authentication,
        Told(oos.AuthenticationError, 401),
        Told(oos.AuthenticationError, 401, "edge"),
        TWO,
    ),
    "untrusted": Case(untrusted, Told(oos.UntrustedServerError), Told(oos.UntrustedServerError), TWO),
    "connection_lost": Case(
        connection_lost, Told(oos.ConnectionLostError), Told(oos.ConnectionLostError), TWO
    ),
    "unexpected_answer": Case(
        unexpected_answer, Told(oos.UnexpectedAnswerError, 200), Told(oos.UnexpectedAnswerError, 308), TWO
    ),
}
