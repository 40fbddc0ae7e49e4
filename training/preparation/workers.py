"""Run a function over many items in several processes, and end with the process that started them."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice
from typing import Any, Protocol, TypeVar

import cv2
import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 2  # items waiting for each worker: enough to keep it busy, few enough to keep memory flat


class Over(Protocol):
    """What runs a function over many items, as :func:`each` does, wherever that may be."""

    def __call__(
        self,
        function: Callable[..., Result],
        calls: Iterable[tuple[Item, tuple[Any, ...]]],
        lost: Callable[[str], Result] | None = None,
    ) -> Iterator[tuple[Item, Result]]: ...


def processes(workers: int) -> Over:
    """So many processes of this machine, one thread each. One that dies ends the run."""

    def over(
        function: Callable[..., Result],
        calls: Iterable[tuple[Item, tuple[Any, ...]]],
        lost: Callable[[str], Result] | None = None,  # noqa: ARG001 — which item a pool broke of is unknown
    ) -> Iterator[tuple[Item, Result]]:
        return each(function, calls, workers=workers, begin=one_thread)

    return over


def each(
    function: Callable[..., Result],
    calls: Iterable[tuple[Item, tuple[Any, ...]]],
    *,
    workers: int,
    begin: Callable[[], None],
) -> Iterator[tuple[Item, Result]]:
    """``function(*arguments)`` for each (item, arguments), as soon as it is done; ``begin`` starts a worker.

    One worker is this process itself. ``calls`` is read little by little.
    """
    if workers == 1:
        for item, arguments in calls:
            yield item, function(*arguments)
        return
    queue = iter(calls)
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(begin,))
    running: dict[Future[Result], Item] = {}
    try:
        while True:
            for item, arguments in islice(queue, AHEAD * workers - len(running)):
                running[pool.submit(function, *arguments)] = item
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _start(begin: Callable[[], None]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    begin()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def one_thread() -> None:
    """Keep a worker on one core: there are as many workers as cores are to be used."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
