"""Work done by threads a little ahead of where its results are used."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def prefetch(tasks: Iterable[Callable[[], T]], threads: int) -> Iterator[T]:
    """Results of tasks in order, at most ``2 · threads`` of them made ahead; with one thread, none are."""
    if threads <= 1:
        yield from (task() for task in tasks)
        return
    begun = deque[Future[T]]()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for task in tasks:
                begun.append(pool.submit(task))
                if len(begun) > 2 * threads:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()
