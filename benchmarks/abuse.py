"""What others notice while somebody abuses the service: their p95, during each kind of abuse and after it.

    python -m benchmarks.abuse [--seconds 20] [--kinds slow-uploads …] [--json FILE]

A server, a gateway and nginx on this machine. Four callers send a sample each, one after the other, with keys
and addresses of their own; one more with a key of its own abuses the service as hard as it can from another
address. All stay within loopback and end by themselves. The aim: p95 of the others at most doubles, and is
back as soon as the abuse ends.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import ssl
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import httpx

from archives.build import build
from benchmarks.alterations import UNCHANGED, written
from benchmarks.engine import CHECKPOINTS
from benchmarks.report import parser, percentile, print_table, write_json
from gateway import keys
from outofsync_client.protocol import LOOPBACK
from serving.edge.__main__ import start, stop
from serving.edge.settings import EdgeSettings
from serving.lifecycle import running
from serving.settings import ROOT, ServerSettings
from training.evaluation.degradations import read_footage

OTHERS = 4
ABUSER_ADDRESS = "127.0.0.66"
THREADS = 64  # more than a key may have connections
ANSWER_S = 300.0
SECONDS, TINY_S = 1.5, 0.5  # of the videos that are judged, and of those that are refused as too short
FEWEST = 5  # answers of each of the others, or a percentile says nothing
MOST = 2.0  # times the others' p95 without abuse
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


KINDS: dict[str, Kind] = {
    "slow-uploads": slow_uploads,
    "header-floods": header_floods,
    "many-fields": many_fields,
    "compressed-bodies": compressed_bodies,
    "repeated-keys": repeated_keys,
    "tiny-videos": tiny_videos,
    "one-against-many": one_against_many,
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


@contextmanager
def deployed(store: Path | None = None) -> Iterator[tuple[list[Site], Site]]:
    """The whole service: what the others call, and what the abuser does."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all of it is stopped then, too
    with tempfile.TemporaryDirectory(prefix="outofsync-abuse-") as folder:
        if store is None:
            store = Path(folder) / "model_store"
            build(CHECKPOINTS, store)
        state = Path(folder) / "state"
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            port = probe.getsockname()[1]
        edge = EdgeSettings(states=(state,), port=port)
        with running(ServerSettings(state=state, model_store=store, plain_models=False)):
            sites = [
                Site(port, edge.folder / "development.crt", keys.add(edge.key_file, name))
                for name in (*(f"other-{number}" for number in range(OTHERS)), "abuser")
            ]
            try:
                start(edge)
                yield sites[:-1], sites[-1]
            finally:
                stop(edge)


def others(sites: Sequence[Site], seconds: float) -> tuple[list[float], int]:
    """How long each answer took the others for so long, or a few answers each; how many were no verdict."""
    video = short(SECONDS)
    ends = time.monotonic() + seconds

    def ask(number: int) -> list[float]:
        took = list[float]()
        with sites[number].client(f"127.0.0.{number + 2}") as client:
            while time.monotonic() < ends or len(took) < FEWEST:
                began = time.monotonic()
                answer = client.post("/v1/detect", content=video)
                took.append(time.monotonic() - began if answer.status_code == 200 else -1.0)
        return took

    with ThreadPoolExecutor(len(sites)) as pool:
        all_took = [one for took in pool.map(ask, range(len(sites))) for one in took]
    return [one for one in all_took if one >= 0], sum(one < 0 for one in all_took)


def abuse(kind: str, site: Site, over: Over, threads: int) -> None:
    """Abuse of one kind from many threads, by a process of its own that takes what is left of the cores.

    An abuser has a machine of his own; this one must not take it from the service.
    """
    os.nice(19)

    def go_on() -> None:
        while not over.is_set():
            with suppress(OSError):
                KINDS[kind](site, over)
            over.wait(0.05)  # cut off: it comes again

    abusers = [threading.Thread(target=go_on, daemon=True) for _ in range(threads)]
    for one in abusers:
        one.start()
    over.wait()
    for one in abusers:
        one.join(5.0)


@contextmanager
def abused(kind: str, site: Site, threads: int = THREADS) -> Iterator[None]:
    """Abuse of one kind for as long as the block lasts."""
    spawning = multiprocessing.get_context("spawn")
    over = spawning.Event()
    process = spawning.Process(target=abuse, args=(kind, site, over, threads), daemon=True)
    process.start()
    try:
        yield
    finally:
        over.set()
        process.join(30.0)
        process.kill()
        process.join()


@dataclass(frozen=True)
class Row:
    """The others' p95 in seconds before one kind of abuse, and as many times that during and after it."""

    kind: str
    answers: int  # during
    failed: int
    before_s: float
    during: float
    after: float

    @property
    def within(self) -> bool:
        return self.failed == 0 and self.during <= MOST and self.after <= MOST


def measured(kinds: Sequence[str], seconds: float, store: Path | None = None) -> list[Row]:
    """A row for each kind of abuse, compared with the moment before: a machine may be busier by and by."""
    rows = []
    with deployed(store) as (sites, abuser):
        others(sites, 0.0)  # caches fill
        for kind in kinds:
            before, failed_before = others(sites, seconds / 2)
            with abused(kind, abuser):
                time.sleep(2.0)
                during, failed = others(sites, seconds)
            after, failed_after = others(sites, seconds / 2)
            calm, *more = (
                percentile(took, 0.95) if took else float("inf") for took in (before, during, after)
            )
            ratios = [round(one / calm, 2) for one in more]
            failures = failed_before + failed + failed_after
            rows.append(Row(kind, len(during), failures, calm, ratios[0], ratios[1]))
            print(f"{kind}: others' p95 is {ratios[0]} times that before", file=sys.stderr, flush=True)
    return rows


def show(rows: Sequence[Row]) -> None:
    """Print what came out."""
    print_table(
        f"abuse, and the p95 of {OTHERS} others: seconds before, times that during and after",
        ("abuse", "answers", "failed", "before s", "during", "after", "within"),
        [
            (
                one.kind,
                one.answers,
                one.failed,
                one.before_s,
                one.during,
                one.after,
                "yes" if one.within else "NO",
            )
            for one in rows
        ],
    )


def as_dicts(rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [{**asdict(row), "within": row.within} for row in rows]


def main() -> int:
    words = parser(__doc__ or "")
    words.add_argument("--seconds", type=float, default=20.0, help="of each kind of abuse")
    words.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    chosen = words.parse_args()
    rows = measured(chosen.kinds, chosen.seconds)
    show(rows)
    write_json(chosen.json, {"rows": as_dicts(rows)})
    return 0 if all(row.within for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
