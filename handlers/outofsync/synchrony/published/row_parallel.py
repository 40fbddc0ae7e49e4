"""A pass split over cores by its rows, each share computed by one thread from end to end.

Left to themselves, kernels split every small product over all cores and wait for the last; a core that other
work takes for a moment then holds up all the others, hundreds of times a pass. Shares wait once.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import torch
from torch import Tensor
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

from outofsync.synchrony.published.chunking import Compute, Row


class RowParallel:
    """Threads that work on shares of a pass, as many as ``threads``; one of them needs no company."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        if self._pool is not None:
            started = threading.Barrier(threads)
            list(self._pool.map(_work_alone, [started] * threads))
            # Threads yet to come take over the number that was set last.
            torch.set_num_threads(threads)

    def map(self, function: Compute, *columns: Tensor, overlap: int = 0) -> Row:
        """``function`` of all columns (rows, …), share by share; its results follow one another.

        With an ``overlap``, a share also sees that many rows before its own, which have no results.
        """
        # Whoever counts operations sees those of its own thread only.
        if self._pool is None or is_in_torch_dispatch_mode():
            return function(*columns)
        rows = len(columns[0]) - overlap
        count = min(self.threads, rows)
        bounds = pairwise(rows * share // count for share in range(count + 1))
        spans = [slice(start, stop + overlap) for start, stop in bounds]
        shares = [tuple(column[span] for column in columns) for span in spans]
        futures = [self._pool.submit(_undifferentiated, function, share) for share in shares]
        results = [future.result() for future in futures]
        return tuple(torch.cat(column) for column in zip(*results, strict=True))


def _work_alone(started: threading.Barrier) -> None:
    """Keep this thread's kernels to one core; every thread of a pool must have been here."""
    torch.get_num_threads()  # reads the number that holds for all, which would else replace ours later
    torch.set_num_threads(1)
    started.wait()


def _undifferentiated(function: Compute, columns: Row) -> Row:
    """Inference mode holds for the thread that entered it only."""
    with torch.inference_mode():
        return function(*columns)
