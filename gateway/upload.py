"""A request's body on its way through: passed on as it comes, and kept so that it can be sent again."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

from gateway.errors import too_large

READ_BYTES = 1 << 18


class Upload:
    """The body of one request. A context manager, which closes it and frees the disk.

    What has arrived lies in a file without a name, so that another attempt begins with it and goes on with
    what is still to come. Where the disk has no room the body passes through once (``repeatable`` is False).
    """

    def __init__(self, body: AsyncIterator[bytes], *, max_bytes: int, folder: Path | None = None) -> None:
        self.size = 0
        self.complete = False
        self.repeatable = True
        self._body = body
        self._most_bytes = max_bytes
        try:
            self._file: IO[bytes] | None = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - see close
        except OSError:
            self._file, self.repeatable = None, False

    @classmethod
    def stored(cls, path: Path) -> Upload:
        """A body that came before, whole, and lies in a file; raises OSError where that is not there."""
        file = path.open("rb")
        upload = cls(_once(b""), max_bytes=0)
        upload.close()
        upload._file, upload.size, upload.complete = file, os.fstat(file.fileno()).st_size, True
        upload.repeatable = True
        return upload

    @classmethod
    def of(cls, body: bytes) -> Upload:
        """A body that is here."""
        return cls(_once(body), max_bytes=len(body))

    def __enter__(self) -> Upload:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the disk; nothing can be read any more."""
        if self._file is not None:
            self._file.close()

    @property
    def _descriptor(self) -> int:
        assert self._file is not None  # else nothing is kept
        return self._file.fileno()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The whole body from its start; raises ``too_large`` beyond the limit."""
        position = 0
        while True:
            if self.repeatable and position < self.size:
                chunk = os.pread(self._descriptor, READ_BYTES, position)
                position += len(chunk)
                yield chunk
                continue
            if self.complete:
                return
            received = await self._receive()
            if received and not self.repeatable:
                position = self.size
                yield received

    async def _receive(self) -> bytes:
        """The next piece, kept if the disk has room; nothing at the end."""
        try:
            chunk = await anext(self._body)
        except StopAsyncIteration:
            self.complete = True
            return b""
        if self.size + len(chunk) > self._most_bytes:
            raise too_large(self._most_bytes)
        if self.repeatable:
            self._keep(chunk)
        self.size += len(chunk)
        return chunk

    def _keep(self, chunk: bytes) -> None:
        rest = memoryview(chunk)
        position = self.size
        try:
            while rest:
                written = os.pwrite(self._descriptor, rest, position)
                position += written
                rest = rest[written:]
        except OSError:
            self.repeatable = False


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
