"""One run at a time in one output folder: two would write the same videos twice.

On a disk it is a lock that ends with its process. In object storage, which has no locks, it is a small file
that its run renews; one that was not renewed for a while belongs to a run that was killed.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from outofsync_cluster.errors import ClusterError, reason_of
from outofsync_cluster.places import Place

LOCK, LEASE = ".lock", "lease.json"
RENEWED_S = 15.0
EXPIRES_S = 90.0  # without a renewal
SETTLES_S = 1.0  # after which two that came at the same moment see which of them came last


@dataclass
class Fence:
    """What a run holds while it may write."""

    lost: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Raises :class:`ClusterError` where another run has taken the folder over."""
        if self.lost.is_set():
            raise ClusterError("another run has taken this output folder over; this one stops")


@contextmanager
def fenced(folder: Place) -> Iterator[Fence]:
    """Hold a folder. Raises :class:`ClusterError` where another run does."""
    with _locked(folder) if folder.is_local else _leased(folder) as fence:
        yield fence


@contextmanager
def _locked(folder: Place) -> Iterator[Fence]:
    try:
        lock = os.open(Path(folder.path) / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise ClusterError(f"{folder.uri} cannot be used: {reason_of(error)}") from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _taken(folder, os.pread(lock, 1000, 0).decode(errors="replace")) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, _who().encode(), 0)
        yield Fence()
    finally:
        os.close(lock)


@contextmanager
def _leased(folder: Place) -> Iterator[Fence]:
    place, fence, run = folder.child(LEASE), Fence(), uuid.uuid4().hex
    stopped = threading.Event()
    try:
        found = _lease(place)
        if found and time.time() - found["renewed_s"] < EXPIRES_S:
            raise _taken(folder, f"{found['who']}; if it was killed, wait {EXPIRES_S:g} s")
        _renew(place, run)
        time.sleep(SETTLES_S)
        if (_lease(place) or {}).get("run") != run:
            raise _taken(folder, "it came at the same moment")
    except OSError as error:
        raise ClusterError(f"{folder.uri} cannot be used: {reason_of(error)}") from None

    def keep() -> None:
        while not stopped.wait(RENEWED_S):
            with suppress(OSError):  # the next renewal may succeed
                found = _lease(place)
                if found and found["run"] != run:
                    fence.lost.set()
                    return
                _renew(place, run)

    keeper = threading.Thread(target=keep, name="lease", daemon=True)
    keeper.start()
    try:
        yield fence
    finally:
        stopped.set()
        keeper.join()
        if not fence.lost.is_set():
            with suppress(OSError):
                place.remove()


def _lease(place: Place) -> dict[str, Any] | None:
    try:
        values = json.loads(place.read())
        return {"run": str(values["run"]), "who": str(values["who"]), "renewed_s": float(values["renewed_s"])}
    except (FileNotFoundError, ValueError, LookupError, TypeError):
        return None


def _renew(place: Place, run: str) -> None:
    place.write(json.dumps({"run": run, "who": _who(), "renewed_s": time.time()}).encode())


def _who() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


def _taken(folder: Place, who: str) -> ClusterError:
    return ClusterError(f"another run writes to {folder.uri} ({who}); choose another --output-dir")
