"""Files of a server's machine that nobody but their owner may read: tokens, keys, which versions serve."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Union


def write_private(path: Path, content: Union[bytes, str]) -> None:
    """Replace a file, whole or not at all; once this returns, it outlives a loss of power.

    Two writers at the same moment are for the caller to keep apart.
    """
    partial = path.with_suffix(f"{path.suffix}.partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
