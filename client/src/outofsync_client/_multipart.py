"""The upload: multipart/form-data that is read from the file as it is sent.

A video may have hundreds of megabytes, so it never lies in memory whole.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from typing import IO, Any, Callable, Optional, Union

from outofsync_client._exceptions import UnreadableFileError
from outofsync_client._flow import Call, Flow, Sleep

CHUNK_BYTES = 1 << 16  # read at a time: an event loop is held up no longer than that takes

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
        self._head = (
            f"--{boundary}\r\n"
            'Content-Disposition: form-data; name="options"\r\n\r\n'
            f"{json.dumps(options)}\r\n"
            f"--{boundary}\r\n"
            'Content-Disposition: form-data; name="data"; filename="video"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._source = source
        self._size = size
        self._on_upload = on_upload
        self._begun = time.monotonic()
        self.sending_ms = 0.0  # until the last byte was taken so far
        self._tell(0)

    def __len__(self) -> int:
        """Bytes in all, which the server is promised."""
        return len(self._head) + self._size + len(self._tail)

    def chunks(self) -> Iterator[bytes]:
        """The body in pieces, each read as it is taken."""
        for chunk in itertools.chain([self._head], self._video(), [self._tail]):
            yield chunk
            self.sending_ms = (time.monotonic() - self._begun) * 1000.0

    def _video(self) -> Iterator[bytes]:
        sent = 0
        while sent < self._size:
            chunk = read_some(self._source, self._size - sent)
            yield chunk
            sent += len(chunk)
            self._tell(sent)

    def _tell(self, sent: int) -> None:
        """A piece is reported once the connection has taken it."""
        if self._on_upload is not None:
            self._on_upload(sent, self._size)


def idempotency_key(source: IO[bytes], size: int, path: str, options: Mapping[str, Any]) -> Flow[str]:
    """What is the same for the same work: these bytes, from where the source stands, and these options.

    Judging is a function of both, so that whoever has an answer under a key may give it again.
    """
    asked = json.dumps({"path": path, "options": options, "size": size}, sort_keys=True)
    digest = hashlib.sha256(asked.encode())
    left = size
    while left and (block := _read(source, left)):
        digest.update(block)
        left -= len(block)
        yield Sleep()
    return digest.hexdigest()


def open_video(file: VideoFile, held: ExitStack) -> Flow[tuple[IO[bytes], int]]:
    """The video as a stream, and the number of bytes left in it; ``held`` closes what was opened.

    Raises :class:`UnreadableFileError`.
    """
    if isinstance(file, (bytes, bytearray, memoryview)):
        return io.BytesIO(file), len(file)
    if isinstance(file, (str, os.PathLike)):
        try:
            stream: IO[bytes] = open(file, "rb")  # noqa: SIM115, PTH123 - held; a path may be a plain string
        except OSError as error:
            raise UnreadableFileError(_why_not_opened(os.fspath(file), error)) from error
        held.callback(stream.close)
    else:
        stream = file
    seekable = getattr(stream, "seekable", None)  # some have nothing but read()
    if seekable is None or not seekable():
        # What streams goes through a temporary file: it is sent again where that helps.
        spool = held.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - held
        yield Call(partial(shutil.copyfileobj, stream, spool))
        spool.seek(0)
        stream = spool
    start = stream.tell()
    size = stream.seek(0, os.SEEK_END) - start
    stream.seek(start)
    if start and not size:
        raise UnreadableFileError("the file has been read to its end already; open it anew, or seek(0)")
    return stream, size


def read_some(source: IO[bytes], left: int) -> bytes:
    """The next piece of what is left; the server was promised it, and would wait for ever.

    Raises :class:`UnreadableFileError`.
    """
    if not (chunk := _read(source, left)):
        raise UnreadableFileError("the video became shorter while it was being sent")
    return chunk


def _read(source: IO[bytes], left: int) -> bytes:
    """The next piece of what is left."""
    try:
        return source.read(min(left, CHUNK_BYTES))
    except OSError as error:
        raise UnreadableFileError(f"the video could not be read to its end: {error.strerror}") from error


def _why_not_opened(name: Union[str, bytes], error: OSError) -> str:
    text = os.fsdecode(name)
    if text.lower().startswith(("http:/", "https:/")):  # a Path makes one slash of two
        return f"{text}: an address, and nothing is fetched from addresses; download the video first"
    return f"{text}: {error.strerror}"
