"""Where a worker's decoders are: it starts one process that forks a child for each file."""

from __future__ import annotations

from contextlib import suppress

import psutil

FORKS = "outofsync.media.fork_loop"  # what the process that forks runs


def decoders(worker: psutil.Process) -> list[psutil.Process]:
    """The processes that look at a file just now. Raises NoSuchProcess where the worker is gone."""
    found: list[psutil.Process] = []
    for child in worker.children():
        with suppress(psutil.NoSuchProcess):  # it may end while it is looked at
            if any(FORKS in word for word in child.cmdline()):  # tests have other children as well
                found += child.children()
    return found
