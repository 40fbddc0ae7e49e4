"""Removes what a killed worker has left of a video, once nobody can come for it any more.

Clips pass from node to node in files (handlers/outofsync/spool.py). Workers remove those that they have read,
and sweep away what is plainly abandoned; but no worker can tell a clip whose answer was lost with its writer
from one that waits for a reader, and keeps both for an hour. Here the whole server is seen: where no worker
has been at work for a while, none is being started and nothing waits, whatever still lies there is nobody's.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from outofsync_client import OutOfSyncError
from outofsync_client.management import Management
from outofsync_client.protocol import CLIPS_FOLDER, NODES, model_of
from serving.torchserve.draining import is_at_work

PAUSE_S = 1.0  # between two questions to TorchServe


class Leftovers:
    """Watches the clips of one server; ``kept_s`` is how long they may lie where nothing goes on."""

    def __init__(self, kept_s: float) -> None:
        self._kept_s = kept_s
        self._quiet_since = time.monotonic()
        self._asked_at = 0.0

    def sweep(self, temporary: Path, is_idle: Callable[[], bool]) -> int:
        """Remove what is left behind in a server's temporary folder; how many files that were.

        ``is_idle`` says whether TorchServe has nothing to do, and is asked only where something lies there.
        """
        now = time.monotonic()
        if is_at_work(temporary):
            self._quiet_since = now
        if now - self._asked_at < PAUSE_S:
            return 0
        self._asked_at = now
        waiting = [path for path in (temporary / CLIPS_FOLDER).glob("*") if not _is_read(path)]
        if waiting and not is_idle():
            self._quiet_since = now
        if now - self._quiet_since < self._kept_s:
            return 0
        found = [path for path in waiting if _age_s(path) > self._kept_s]
        for path in found:
            path.unlink(missing_ok=True)
        return len(found)


def is_idle(management: Management) -> bool:
    """Whether every worker of the workflow is ready and none of its versions has a request waiting."""
    try:
        versions = [one for node in NODES for one in management.versions(model_of(node)).values()]
    except OutOfSyncError:
        return False
    return bool(versions) and all(one.ready and not one.queued for one in versions)


def _is_read(path: Path) -> bool:
    """Whether a worker has the file open to read it; it then holds a lock."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:  # gone since, or none of ours
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _age_s(path: Path) -> float:
    with suppress(OSError):
        return time.time() - path.stat().st_mtime
    return 0.0
