"""The files in which servers tell of requests: made by whoever waits, and gone as soon as nobody does.

A gateway holds a lock on each of its own. One that was killed holds none any more, so that whoever comes next
knows that nobody waits, removes the file, and has the server let go of the work.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from outofsync.progress import FILE_BYTES
from outofsync.segment_file import MOST_BYTES, SUFFIX
from outofsync_client.protocol import PROGRESS_FOLDER

NEW = ".new"  # of a file that is not locked yet


@dataclass(frozen=True)
class ProgressFile:
    """One attempt's file, and beside it that of its segments."""

    path: Path

    @property
    def segments(self) -> Path:
        """Where the segments are told of, if they are wanted."""
        return self.path.with_name(f"{self.path.name}{SUFFIX}")

    def read(self) -> bytes:
        """What a server has written, empty before it has."""
        return _read(self.path, FILE_BYTES)

    def read_segments(self) -> bytes:
        """What it has written of segments."""
        return _read(self.segments, MOST_BYTES)

    def segment_bytes(self) -> int:
        """How much that is: it is worth reading where that has changed."""
        with suppress(OSError):
            return self.segments.stat().st_size
        return 0

    def remove(self) -> None:
        """Nobody waits any more."""
        for path in (self.path, self.segments):
            with suppress(OSError):
                path.unlink()


@contextmanager
def progress_file(state: Path, *, with_segments: bool) -> Iterator[ProgressFile | None]:
    """A file for as long as the block lasts, None where the server's folder cannot be written to."""
    made = ProgressFile(state / PROGRESS_FOLDER / secrets.token_hex(16))
    partial = made.path.with_name(f"{made.path.name}{NEW}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        yield None
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if with_segments:
            with suppress(OSError):
                os.close(os.open(made.segments, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        partial.rename(made.path)
        yield made
    finally:
        made.remove()
        os.close(descriptor)


def sweep(state: Path, older_than_s: float) -> None:
    """Remove what gateways left that were killed."""
    oldest = time.time() - older_than_s
    with suppress(OSError):
        for path in (state / PROGRESS_FOLDER).iterdir():
            with suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()
                elif not path.suffix and _is_left(path):
                    ProgressFile(path).remove()


def _is_left(path: Path) -> bool:
    """Whether nobody holds a lock on it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb", buffering=0) as file:
            return file.read(most)
    except OSError:
        return b""
