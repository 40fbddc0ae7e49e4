"""Who may change what, on one machine: locks (flock) that end with the process that holds them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

HOLDER_BYTES = 200


@contextmanager
def locked(path: Path, wait: Callable[[str], object], *, holder: str = "") -> Iterator[None]:
    """Hold the lock of a file, which is made where it is missing, for as long as the block lasts.

    ``wait`` is called again and again with what is known of who holds it; it lets time pass, or raises.
    ``holder`` is what it will be told of us.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        while not _take(descriptor, fcntl.LOCK_EX):
            wait(os.pread(descriptor, HOLDER_BYTES, 0).decode(errors="replace"))
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, holder.encode(), 0)
        yield
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Whether another process holds the file's lock; a file that is gone is not locked."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not _take(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _take(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
