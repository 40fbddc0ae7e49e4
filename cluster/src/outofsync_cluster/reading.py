"""Videos as bytes, from wherever they lie; what cannot be read is an error of its own."""

from __future__ import annotations

import time
from collections.abc import Callable

from outofsync.limits import Limits
from outofsync_client import OutOfSyncError, TooLargeError, UnreadableFileError
from outofsync_cluster.errors import ClusterError, reason_of
from outofsync_cluster.inventory import Item
from outofsync_cluster.places import Storage

MAX_READS = 3
PAUSE_S = 1.0
STAGE = "read"


def read_item(item: Item, storage: Storage, pause: Callable[[float], None] = time.sleep) -> bytes:
    """The bytes of a video. Raises :class:`OutOfSyncError` where there are none to be had, or too many."""
    if item.problem is not None:
        raise _unreadable(item.uri, item.problem)
    if item.size_bytes > Limits().request_bytes:
        raise TooLargeError(
            f"The file has {item.size_bytes / 1e6:.1f} MB; {Limits().request_bytes / 1e6:g} MB are allowed.",
            status=413,
            stage=STAGE,
        )
    for left in reversed(range(MAX_READS)):
        try:
            return storage.place(item.uri).read()
        except (FileNotFoundError, PermissionError, ClusterError) as error:
            raise _unreadable(
                item.uri, reason_of(error) if isinstance(error, OSError) else str(error)
            ) from None
        except OSError as error:
            if not left:
                raise _unreadable(item.uri, reason_of(error)) from None
            pause(PAUSE_S)
    raise AssertionError("unreachable")


def _unreadable(uri: str, reason: str) -> OutOfSyncError:
    return UnreadableFileError(f"{uri}: {reason}", stage=STAGE)
