"""The child's end of its conversation with the parent (:mod:`outofsync.media.protocol`)."""

from __future__ import annotations

import os
from typing import Any

from outofsync.media.protocol import encode


class Link:
    """Blocking reads and writes on one end of a socket pair."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, raw: bytes | bytearray | memoryview = b"", **message: Any) -> None:
        self._write(encode(message))
        self._write(raw)

    def receive(self, count: int) -> bytearray:
        """Exactly ``count`` bytes; raises EOFError where the parent is gone."""
        received = bytearray(count)
        view, done = memoryview(received), 0
        while done < count:
            chunk = os.readv(self._descriptor, [view[done:]])
            if not chunk:
                raise EOFError
            done += chunk
        return received

    def _write(self, data: bytes | bytearray | memoryview) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
