"""How long each stage of one request took."""

from __future__ import annotations

import time
from collections.abc import Iterator
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
