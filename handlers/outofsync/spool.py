"""Clips on their way from one node to the next, in files.

A clip of ten minutes has hundreds of megabytes, and TorchServe copies what passes between two nodes several
times, at about 15 ms for each megabyte. So the first node writes crops to a file as it cuts them, and hands
on the file's name; the second reads them from there as it needs them. No process then holds more for a
longer video.

The folder belongs to one server. Names are random and files private. Until a file is handed over its name
also holds its writer's process id, so that what a killed worker left is known and swept away at once. A
reader removes the file when its request is answered, not before: TorchServe gives the batch of a worker that
ended to another, and a batch that breaks is run again, request by request. A file whose reader died goes
after two minutes, one that nobody came for after an hour. Where the whole server is quiet, its supervisor
removes both much sooner (serving/torchserve/leftovers.py).
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import time
from contextlib import suppress
from pathlib import Path

from outofsync.errors import ErrorCode, OutOfSyncError

KEPT_S = 3900.0  # longer than a request may take from node to node (archives/deepfake/workflow.yaml)
TAKEN_KEPT_S = 120.0  # after its reader opened it, if that died: until another worker has had its turn
TAKEN_MODE = 0o400  # of a file that has had a reader
_NAME = re.compile(r"[0-9a-f]{32}")
_UNFINISHED = re.compile(r"[0-9a-f]{32}\.(?P<writer>[0-9]+)")


class SpoolFile:
    """One open file of a spool: bytes are appended, and read from anywhere. A context manager."""

    def __init__(self, path: Path, descriptor: int, most_bytes: int) -> None:
        self.name = path.stem
        self.size = os.fstat(descriptor).st_size
        self._path = path
        self._descriptor = descriptor
        self._most_bytes = most_bytes

    def append(self, data: bytes) -> int:
        """Returns where the bytes begin; raises ``too_long`` beyond the limit and ``busy`` on a full disk."""
        start = self.size
        if start + len(data) > self._most_bytes:
            raise OutOfSyncError(ErrorCode.TOO_LONG, "the faces in this video take more room than a clip may")
        rest = memoryview(data)
        try:
            while rest:
                written = os.pwrite(self._descriptor, rest, self.size)
                self.size += written
                rest = rest[written:]
        except OSError as error:
            raise _no_room(error) from None
        return start

    def read(self, start: int, size: int) -> bytes:
        """Raises ValueError where there is less."""
        if start < 0 or size < 0 or start + size > self.size:
            raise ValueError("there is nothing of a clip there")
        return os.pread(self._descriptor, size, start)

    def hand_over(self) -> None:
        """Let it be found by its name from now on, whatever becomes of this process."""
        self._path = self._path.rename(self._path.with_name(self.name))

    def discard(self) -> None:
        """Remove the file: nobody is to read it."""
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> SpoolFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class Spool:
    """A folder of files of at most ``most_bytes`` each."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()

    def create(self) -> SpoolFile:
        """A new file, to be handed over; sweeps away those that nobody will come for.

        Raises ``busy`` on a full disk.
        """
        self._sweep()
        path = self._folder / f"{secrets.token_hex(16)}.{os.getpid()}"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _no_room(error) from None
        return SpoolFile(path, descriptor, self._most_bytes)

    def take(self, name: str) -> SpoolFile:
        """The file of this name, to be discarded when it has been read for the last time.

        Raises ValueError for what is no name, and ``internal`` where no file has it.
        """
        if not _NAME.fullmatch(name):
            raise ValueError("no name of a spooled clip")
        path = self._folder / name
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            raise OutOfSyncError(ErrorCode.INTERNAL, "the clip was lost on its way to this node") from None
        fcntl.flock(descriptor, fcntl.LOCK_SH)  # ends with this process, however that ends
        os.fchmod(descriptor, TAKEN_MODE)
        with suppress(FileNotFoundError):
            os.utime(path)
        return SpoolFile(path, descriptor, self._most_bytes)

    def _sweep(self) -> None:
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):
                if _is_orphan(path) or _is_abandoned(path):
                    path.unlink()


def _no_room(error: OSError) -> OutOfSyncError:
    reason = os.strerror(error.errno or 0)
    return OutOfSyncError(ErrorCode.BUSY, f"the server has no room for this video's faces ({reason})")


def _is_abandoned(path: Path) -> bool:
    """Whether nobody came for this file, or whoever did has died."""
    found = path.stat()
    age = time.time() - found.st_mtime
    if age < TAKEN_KEPT_S or found.st_mode & 0o777 != TAKEN_MODE:
        return age > KEPT_S
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _is_orphan(path: Path) -> bool:
    """Whether the process that wrote this file died before it was handed over."""
    unfinished = _UNFINISHED.fullmatch(path.name)
    if unfinished is None:
        return False
    try:
        os.kill(int(unfinished["writer"]), 0)  # no signal: it only asks
    except (ProcessLookupError, PermissionError):  # none has this number, or another user's process
        return True
    return False
