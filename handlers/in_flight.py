"""Which versions are at a request, for whoever wants to unload one: TorchServe drops what a version is at.

While a worker handles a batch it holds a lock on a file of its own in the server's temporary folder,
``underway/MODEL-VERSION-PID``. A lock ends with its process, so a worker that was killed is at nothing.
"""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

FOLDER = "underway"  # never renamed: archives of every version mark their requests in the same place

logger = logging.getLogger(__name__)


@contextmanager
def in_flight(context: Any) -> Iterator[None]:
    """Marks the version of TorchServe's context for as long as the block lasts. Never raises."""
    version = context.manifest["model"]["modelVersion"]
    path = Path(tempfile.gettempdir()) / FOLDER / f"{context.model_name}-{version}-{os.getpid()}"
    descriptor = _locked(path)
    try:
        yield
    finally:
        if descriptor is not None:
            with suppress(OSError):
                path.unlink()
            os.close(descriptor)


def _locked(path: Path) -> int | None:
    """The locked file, None where the disk does not let us have one: a batch matters more than its mark."""
    try:
        path.parent.mkdir(exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # whoever looks holds it for an instant
    except OSError as error:
        logger.warning("a batch goes on unmarked: %s", error)
        return None
    return descriptor
