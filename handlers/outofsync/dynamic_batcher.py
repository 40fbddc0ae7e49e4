"""Threads that bring work at the same time have it done together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.uint8]


@dataclass(eq=False)
class _Waiting:
    """What one thread brought, and what became of it."""

    rows: Rows
    called: threading.Event = field(default_factory=threading.Event)
    result: Rows | None = None
    error: BaseException | None = None

    @property
    def settled(self) -> bool:
        return self.result is not None or self.error is not None


class DynamicBatcher:
    """Does work in rounds, each by the thread that waited longest and for all whose rows have its shape.

    A thread that comes alone waits for nobody. A failure reaches all that were in the round, and no others.
    """

    def __init__(self, work: Callable[[Sequence[Rows]], Sequence[Rows]]) -> None:
        """``work`` takes one array (rows, …) a thread, alike but for their length, and returns as many."""
        self._work = work
        self._lock = threading.Lock()
        self._queue: list[_Waiting] = []
        self._working = False

    def __call__(self, rows: Rows) -> Rows:
        """What ``work`` makes of these uint8 (rows, …), in whatever company."""
        mine = _Waiting(rows)
        with self._lock:
            self._queue.append(mine)
            leads, self._working = not self._working, True
        if not leads:
            mine.called.wait()
        if not mine.settled:
            self._lead()
        if mine.error is not None:
            raise mine.error
        assert mine.result is not None
        return mine.result

    def _lead(self) -> None:
        """Do one round for the first in the queue, then call the next to lead."""
        with self._lock:
            shape = self._queue[0].rows.shape[1:]
            together = [waiting for waiting in self._queue if waiting.rows.shape[1:] == shape]
            self._queue = [waiting for waiting in self._queue if waiting.rows.shape[1:] != shape]
        try:
            results = self._work([waiting.rows for waiting in together])
            for waiting, result in zip(together, results, strict=True):
                waiting.result = result
        except BaseException as error:
            for waiting in together:
                waiting.error = error
        with self._lock:
            following = self._queue[:1]
            self._working = bool(following)
        for waiting in together + following:
            waiting.called.set()
