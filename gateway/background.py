"""Work beside the requests: nothing of it ends unseen, and nothing of it outlives its time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from gateway.metrics import Metrics

RESTART_S = 1.0  # a fault that lasts is not to fill the log

logger = logging.getLogger("gateway")


class TaskSupervisor:
    """Runs background tasks; an exception that nobody expected is logged and counted by the task's name."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._endless: set[asyncio.Task[None]] = set()
        self._finite: set[asyncio.Task[None]] = set()

    def keep_running(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Work that never ends: begun again where it fails."""
        self._add(self._endless, self._repeated(name, work))

    def run(self, name: str, work: Coroutine[Any, Any, None], *, about: str) -> None:
        """Work that ends by itself; the log says what it was about."""
        self._add(self._finite, self._once(name, work, about))

    async def finish(self, within_s: float) -> None:
        """Wait at most ``within_s`` seconds for what ends by itself, then cancel whatever still runs."""
        if self._finite:
            await asyncio.wait(self._finite, timeout=max(0.0, within_s))
        left = [*self._finite, *self._endless]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _add(self, tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        tasks.add(task)  # the event loop itself holds no reference
        task.add_done_callback(tasks.discard)

    async def _repeated(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._once(name, work())
            await asyncio.sleep(RESTART_S)

    async def _once(self, name: str, work: Awaitable[None], about: str = "") -> None:
        try:
            await work
        except Exception:
            logger.exception("the background task %s failed%s", name, about and f" ({about})")
            self._metrics.background_failures.labels(name).inc()
