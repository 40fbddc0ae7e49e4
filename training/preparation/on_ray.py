"""Run a function over many items on a Ray cluster, as :func:`~training.preparation.workers.each` does here.

Results come in the order of the items, so that what is written is the same as by one worker. Every node
needs this repository and the videos at the same paths.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import ray
from ray.exceptions import NodeDiedError, ObjectLostError, OutOfMemoryError, WorkerCrashedError

from outofsync_cluster.pipeline import cluster
from training.preparation.workers import AHEAD, Item, Over, Result, one_thread

RETRIES = 3  # of an item whose worker or node died
LOST = (NodeDiedError, ObjectLostError, OutOfMemoryError, WorkerCrashedError)


@contextmanager
def over_cluster(address: str, cores: int | None = None) -> Iterator[Over]:
    """What runs functions on the cluster at an address, or on one of this machine where it is empty.

    Raises :class:`~outofsync_cluster.errors.ClusterError` where there is none.
    """
    with cluster(address or None, None if address else cores):
        yield each_on_cluster


def each_on_cluster(
    function: Callable[..., Result],
    calls: Iterable[tuple[Item, tuple[Any, ...]]],
    lost: Callable[[str], Result] | None = None,
) -> Iterator[tuple[Item, Result]]:
    """``function(*arguments)`` for each (item, arguments), in order; ``calls`` is read little by little.

    ``lost`` makes the result of an item of which workers die again and again; without it that is raised.
    """
    work: Any = ray.remote(_begun)
    task = work.options(num_cpus=1, max_retries=RETRIES, scheduling_strategy="SPREAD")
    queue, running = iter(calls), deque[tuple[Item, Any]]()
    while True:
        for item, arguments in islice(queue, max(1, AHEAD * _cores() - len(running))):
            running.append((item, task.remote(function, *arguments)))
        if not running:
            return
        item, reference = running.popleft()
        try:
            result: Result = ray.get(reference)
        except LOST as error:
            if lost is None:
                raise
            result = lost(f"{type(error).__name__}: whoever worked on it died, {RETRIES + 1} times")
        yield item, result


def _begun(function: Callable[..., Result], *arguments: Any) -> Result:
    one_thread()
    return function(*arguments)


def _cores() -> int:
    """As many as there are now: nodes come and go."""
    have: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return int(have.get("CPU", 1.0))
