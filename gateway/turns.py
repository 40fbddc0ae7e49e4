"""Whose turn it is: one caller's many requests must not be everybody's wait.

TorchServe works through its queue in order, so whoever fills it decides how long the others wait. A caller
alone may fill most of it; the rest is kept for whoever comes next. As soon as several ask, each has the same
small share of what is under way, and what goes beyond it waits here, before its body is read.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.errors import busy
from gateway.metrics import Metrics

RESERVED = 4  # one in so many places is not for a caller alone
REMEMBERED_S = 5.0  # whoever asked no longer ago counts as asking: between two requests lies a moment
LONGEST_S = 30.0  # a request waits for its caller's share; nginx gives up on who reads nothing after 60


class Turns:
    """Places of all servers together: ``places`` in all, ``shared`` of them while several callers ask."""

    def __init__(
        self, places: int, shared: int, metrics: Metrics, *, alone_s: float, longest_s: float = LONGEST_S
    ) -> None:
        """A caller alone waits ``alone_s`` for places that are all its own."""
        self._places = places
        self._alone_s = alone_s
        self._shared = shared
        self._longest_s = longest_s
        self._metrics = metrics
        self._under_way: dict[str, int] = {}
        self._lines: dict[str, deque[object]] = {}  # who waits, by caller, the longest first
        self._asked: dict[str, float] = {}
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def of(self, holder: str) -> AsyncIterator[None]:
        """A caller's place for as long as the block lasts; raises ``busy`` where it takes too long."""
        await self._take(holder)
        try:
            yield
        finally:
            _count(self._under_way, holder, -1)
            self._asked[holder] = time.monotonic()
            async with self._changed:
                self._changed.notify_all()

    def share(self, holder: str) -> int:
        """How many requests of this caller may be under way now."""
        asking = len(self._asking(holder))
        return max(1, self._places - self._places // RESERVED if asking == 1 else self._shared // asking)

    def _asking(self, holder: str) -> set[str]:
        """This caller, and whoever else asks now or did a moment ago."""
        recent = time.monotonic() - REMEMBERED_S
        self._asked = {one: at for one, at in self._asked.items() if at > recent}
        return {*self._under_way, *self._lines, *self._asked, holder}

    async def _take(self, holder: str) -> None:
        came = time.monotonic()
        line, ticket = self._lines.setdefault(holder, deque()), object()
        line.append(ticket)
        try:
            async with self._changed:
                while line[0] is not ticket or self._under_way.get(holder, 0) >= self.share(holder):
                    alone = len(self._asking(holder)) == 1
                    left = came + (self._alone_s if alone else self._longest_s) - time.monotonic()
                    if left <= 0:
                        self._metrics.turned_away.inc()
                        others = "" if alone else ", and others ask too"
                        raise busy(f"as much of this caller is under way as may be{others}")
                    try:  # nobody tells when another caller is forgotten
                        await asyncio.wait_for(self._changed.wait(), min(left, REMEMBERED_S))
                    except TimeoutError:
                        continue
                _count(self._under_way, holder, 1)
        finally:
            line.remove(ticket)
            if not line:
                del self._lines[holder]


def _count(counts: dict[str, int], holder: str, change: int) -> None:
    counts[holder] = counts.get(holder, 0) + change
    if not counts[holder]:
        del counts[holder]
