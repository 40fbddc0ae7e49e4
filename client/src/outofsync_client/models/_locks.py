"""Who may change what, on one machine: locks that end with the process that holds them.

Two kinds, so that a roll-back never waits for a version to load or to drain: ``RECORD`` is held for moments,
by whatever changes the record or TorchServe's defaults; ``VERSIONS`` for as long as versions come and go.
Whoever holds both took ``VERSIONS`` first.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from outofsync_client.models._errors import StepInProgressError

RECORD = "pipelines.lock"
VERSIONS = "versions.lock"
POLL_S = 0.05


@contextmanager
def held(state: Path, name: str, *, step: str, wait_s: float) -> Iterator[None]:
    """The lock, for as long as the block lasts.

    Raises :class:`StepInProgressError`, which says who holds it, after ``wait_s``.
    """
    deadline = time.monotonic() + wait_s
    descriptor = os.open(state / name, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    holder = os.pread(descriptor, 200, 0).decode(errors="replace") or "another step"
                    raise StepInProgressError(f"{holder} is under way") from None
                time.sleep(POLL_S)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"`{step}` (process {os.getpid()})".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Whether another process holds the file's lock (flock); a file that is gone is not locked."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
