"""Where a worker's decoders are: it starts one process that forks a child for each file."""

from __future__ import annotations

from contextlib import suppress

import psutil


def decoders(worker: psutil.Process) -> list[psutil.Process]:
    """The processes that look at a file just now. Raises NoSuchProcess where the worker is gone."""
    found: list[psutil.Process] = []
    for server in worker.children():
        with suppress(psutil.NoSuchProcess):  # it may end while it is looked at
            found += server.children()
    return found
