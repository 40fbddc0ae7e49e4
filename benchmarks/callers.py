"""Callers as a server meets them: most send videos with all kinds of options, some broken files, and some
hang up. They pause between requests, so that a server is as busy as is wished.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from outofsync_client import Client, OutOfSyncError

HEADS_UP = b"POST /v1/detect HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"
LONGEST_PAUSE_S = 60.0
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"deblur": "never"},
    {"deblur": "always"},
    {"mode": "reference"},
    {"lam": 0.2, "max_len": 30},
    {"include": ["delays", "tracks"]},
    {"include": ["features", "frames"]},
)


@dataclass(frozen=True)
class Call:
    """What came of one request: when it ended (s since the start), what it was, how long it took."""

    at_s: float
    kind: str
    seconds: float
    outcome: str  # "fine", the code of an error, or "hung up"

    @property
    def expected(self) -> bool:
        """Videos are judged, broken files refused for what they are."""
        refused = ("corrupt_media", "unsupported_media", "empty_file", "bad_options", "no_audio", "no_video")
        wanted = {"video": ("fine",), "broken": refused, "hang-up": ("hung up",)}
        return self.outcome in wanted[self.kind]


def broken(file: bytes, chance: random.Random) -> bytes:
    """Nothing, noise, or the beginning of a video."""
    return chance.choice([b"", chance.randbytes(20_000), file[: len(file) // 2], b"a letter " * 500])


class Callers:
    """Threads that call a gateway until told to stop.

    ``busy`` (0 to 1) is the share of its time that a caller waits for an answer.
    """

    def __init__(
        self, url: str, files: Sequence[Path], clients: int, busy: float, options: Sequence[dict[str, Any]]
    ) -> None:
        self.calls: list[Call] = []
        self._url = url
        self._files = [path.read_bytes() for path in files]
        self._busy = busy
        self._options = options
        self._started = time.monotonic()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._call_on, args=(seed,)) for seed in range(clients)]

    def __enter__(self) -> Callers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _call_on(self, seed: int) -> None:
        chance = random.Random(seed)
        with Client(self._url, api_key="anyone") as client:
            while not self._over.is_set():
                spent = self._call(client, chance)
                self._over.wait(min(LONGEST_PAUSE_S, spent * (1.0 - self._busy) / self._busy))

    def _call(self, client: Client, chance: random.Random) -> float:
        """One request of some kind; returns how long it took (s)."""
        file = chance.choice(self._files)
        kinds: dict[str, Callable[[], str]] = {
            "video": lambda: judged(client, file, chance.choice(self._options)),
            "broken": lambda: judged(client, broken(file, chance), {}),
            "hang-up": lambda: hung_up(self._url, file, chance.choice([0.5, 1.0])),
        }
        kind = chance.choices(list(kinds), weights=(80, 12, 8))[0]
        started = time.monotonic()
        outcome = kinds[kind]()
        spent = time.monotonic() - started
        self.calls.append(Call(round(time.monotonic() - self._started, 3), kind, round(spent, 4), outcome))
        return max(spent, 0.5)


def judged(client: Client, file: bytes, options: dict[str, Any]) -> str:
    """How a request ended."""
    try:
        client.detect(file, **options)
    except OutOfSyncError as error:
        return error.code
    return "fine"


def hung_up(url: str, file: bytes, share: float) -> str:
    """Send a share of a file and leave: in the middle of it, or before the answer."""
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port), timeout=30) as connection:
        connection.sendall(HEADS_UP + f"Content-Length: {len(file)}\r\n\r\n".encode())
        connection.sendall(file[: round(share * len(file))])
        time.sleep(0.3)
    return "hung up"
