"""The upload: multipart/form-data that is read from the file as it is sent.

A video may have hundreds of megabytes, so it never lies in memory whole.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, Callable, Optional, Union

from outofsync_client._exceptions import UnreadableFileError

HASHED_AT_ONCE = 1 << 16  # bytes

VideoFile = Union[str, "os.PathLike[str]", bytes, IO[bytes]]
"""A path, a file's bytes, or an open binary file (read from where it stands)."""

UploadProgress = Callable[[int, int], None]
"""Called with the bytes of the video that are sent, and all of them; at 0 an attempt begins (anew)."""


class MultipartBody:
    """The fields ``options`` (JSON) and ``data`` (the video) of one request.

    ``source`` is read once, from where it stands, for exactly ``size`` bytes. What ``on_upload`` raises ends
    the upload.
    """

    def __init__(
        self,
        source: IO[bytes],
        size: int,
        options: Mapping[str, Any],
        on_upload: Optional[UploadProgress] = None,
    ) -> None:
        boundary = uuid.uuid4().hex
        self.content_type = f"multipart/form-data; boundary={boundary}"
        head = (
            f"--{boundary}\r\n"
            'Content-Disposition: form-data; name="options"\r\n\r\n'
            f"{json.dumps(options)}\r\n"
            f"--{boundary}\r\n"
            'Content-Disposition: form-data; name="data"; filename="video"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        tail = f"\r\n--{boundary}--\r\n".encode()
        self._head, self._source, self._tail = io.BytesIO(head), source, io.BytesIO(tail)
        self._size = self._remaining = size
        self._on_upload = on_upload
        self._length = len(head) + size + len(tail)
        self._begun = time.monotonic()
        self.sending_ms = 0.0  # until the last byte was read so far
        self._tell()

    def __len__(self) -> int:
        """Bytes in all: requests takes the Content-Length from here."""
        return self._length

    def read(self, size: int) -> bytes:
        """At most ``size`` further bytes; none at the end."""
        chunk = self._head.read(size) or self._read_source(size) or self._tail.read(size)
        if chunk:
            self.sending_ms = (time.monotonic() - self._begun) * 1000.0
        return chunk

    def _read_source(self, size: int) -> bytes:
        if not self._remaining:
            return b""
        try:
            chunk = self._source.read(min(size, self._remaining))
        except OSError as error:
            raise UnreadableFileError(f"the video could not be read to its end: {error.strerror}") from error
        if not chunk:  # the promised Content-Length cannot be kept: the server would wait for ever
            raise UnreadableFileError("the video became shorter while it was being sent")
        self._remaining -= len(chunk)
        self._tell()
        return chunk

    def _tell(self) -> None:
        """A piece is reported as it is handed to the connection, which holds a few of them."""
        if self._on_upload is not None:
            self._on_upload(self._size - self._remaining, self._size)


def idempotency_key(source: IO[bytes], size: int, path: str, options: Mapping[str, Any]) -> str:
    """What is the same for the same work: these bytes, from where the source stands, and these options.

    Judging is a function of both, so that whoever has an answer under a key may give it again.
    """
    asked = json.dumps({"path": path, "options": options, "size": size}, sort_keys=True)
    digest = hashlib.sha256(asked.encode())
    left = size
    while left and (block := source.read(min(left, HASHED_AT_ONCE))):
        digest.update(block)
        left -= len(block)
    return digest.hexdigest()


@contextmanager
def open_video(file: VideoFile) -> Iterator[tuple[IO[bytes], int]]:
    """The video as a stream, and its size in bytes. Raises :class:`UnreadableFileError`."""
    if isinstance(file, (bytes, bytearray, memoryview)):
        yield io.BytesIO(file), len(file)
    elif isinstance(file, (str, os.PathLike)):
        try:
            stream = open(file, "rb")  # noqa: SIM115, PTH123 - closed below; a path may be a plain string
        except OSError as error:
            raise UnreadableFileError(_why_not_opened(os.fspath(file), error)) from error
        with stream, _measured(stream) as measured:
            yield measured
    else:
        with _measured(file) as measured:
            yield measured


def _why_not_opened(name: Union[str, bytes], error: OSError) -> str:
    text = os.fsdecode(name)
    if text.lower().startswith(("http:/", "https:/")):  # a Path makes one slash of two
        return f"{text}: an address, and nothing is fetched from addresses; download the video first"
    return f"{text}: {error.strerror}"


@contextmanager
def _measured(stream: IO[bytes]) -> Iterator[tuple[IO[bytes], int]]:
    """A stream with the number of bytes left in it; a pipe goes through a temporary file first."""
    if stream.seekable():
        start = stream.tell()
        size = stream.seek(0, os.SEEK_END) - start
        stream.seek(start)
        yield stream, size
        return
    with tempfile.TemporaryFile() as spool:
        shutil.copyfileobj(stream, spool)
        size = spool.tell()
        spool.seek(0)
        yield spool, size
