"""How long each stage of one request took."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class Stopwatch:
    """Adds up wall-clock milliseconds by stage; for one thread.

    A stage within another stops the clock of the outer one, so that the stages of a thread never add up to
    more than the time that passed.
    """

    def __init__(self) -> None:
        self._spent_s: dict[str, float] = {}
        self._running: list[str] = []
        self._since = 0.0

    @property
    def timing_ms(self) -> dict[str, float]:
        """Milliseconds by stage."""
        return {name: round(seconds * 1000.0, 3) for name, seconds in self._spent_s.items()}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block; blocks of one name add up."""
        self._account()
        self._running.append(name)
        try:
            yield
        finally:
            self._account()
            self._running.pop()

    def each(self, name: str, items: Iterator[T]) -> Iterator[T]:
        """Pass items on, and time how long each one took to come."""
        while True:
            with self.stage(name):
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item

    def _account(self) -> None:
        """Give the time since the last change to the stage that was running."""
        now = time.perf_counter()
        if self._running:
            name = self._running[-1]
            self._spent_s[name] = self._spent_s.get(name, 0.0) + now - self._since
        self._since = now


class StageTotals:
    """Milliseconds by stage over many requests, since they were last taken; for all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spent_ms: dict[str, float] = {}

    def add(self, timing_ms: Mapping[str, float]) -> None:
        with self._lock:
            for stage, spent in timing_ms.items():
                self._spent_ms[stage] = self._spent_ms.get(stage, 0.0) + spent

    def take(self) -> dict[str, float]:
        """What was added since the last call."""
        with self._lock:
            taken, self._spent_ms = self._spent_ms, {}
        return taken
