"""Callers that keep asking while a test does something terrible to their server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from threading import Event, Lock

from media_factory import Media

from outofsync_client import Client, OutOfSyncError

VIDEO = Media(frames=20).to_bytes()
PATIENCE_S = 300.0


def wait_for(condition: Callable[[], object], seconds: float = PATIENCE_S) -> None:
    """Until something is so; fails where it does not come to be."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.05)


@dataclass
class Load:
    """What callers got so far: when each answer came, and what was refused in spite of all their patience."""

    answered_s: list[float] = field(default_factory=list)
    lost: list[OutOfSyncError] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def ask(self, client: Client, over: Event) -> None:
        while not over.is_set():
            try:
                client.detect(VIDEO, mode="reference", deblur="never")
            except OutOfSyncError as error:
                with self._lock:
                    self.lost.append(error)
            else:
                with self._lock:
                    self.answered_s.append(time.monotonic())

    def wait_for_more(self, count: int) -> None:
        """Until so many more requests are answered, or one is lost."""
        target = len(self.answered_s) + count
        wait_for(lambda: len(self.answered_s) >= target or self.lost)

    def longest_gap_s(self) -> float:
        """The longest time in which nobody was answered."""
        times = sorted(self.answered_s)
        return max(after - before for before, after in pairwise(times))


@contextmanager
def under_load(state: Path, clients: int = 8) -> Iterator[Load]:
    """Callers with the client's own patience, for as long as the block lasts; each then ends its request."""
    load, over = Load(), Event()
    with Client.of_state(state) as client, ThreadPoolExecutor(clients) as pool:
        asking = [pool.submit(load.ask, client, over) for _ in range(clients)]
        try:
            yield load
        finally:
            over.set()
        for one in asking:
            one.result()
