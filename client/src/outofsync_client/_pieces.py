"""Uploads in pieces, by tus: one whose connection breaks goes on from where it stood, not from its start."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import IO, Any, Optional, Protocol

from outofsync_client._answers import Answer
from outofsync_client._endpoints import Address
from outofsync_client._exceptions import NotFoundError, OutOfSyncError, TransportError
from outofsync_client._flow import Flow, Request
from outofsync_client._multipart import UploadProgress, read_some
from outofsync_client._retries import Retries
from outofsync_client._sender import Sender
from outofsync_client.protocol import (
    EDGE_UPLOADS,
    TUS_HEADER,
    TUS_VERSION,
    UPLOAD_LENGTH_HEADER,
    UPLOAD_METADATA_HEADER,
    UPLOAD_OFFSET_HEADER,
    UPLOAD_TYPE,
)

PIECE_BYTES = 16 << 20  # of one request: what a proxy that keeps requests whole must hold
MAX_BREAKS = 20  # in a row, without a byte more
TUS = {TUS_HEADER: TUS_VERSION}


class Resumption(Protocol):
    """Remembers where an upload lies, so that another process can go on with it."""

    @property
    def place(self) -> Optional[str]:
        """Of an upload of the same file that was begun before."""
        ...

    def begun(self, place: str) -> None:
        """A new upload lies there."""
        ...


class Piece:
    """What one request sends: so many bytes from where the file stands."""

    def __init__(
        self, source: IO[bytes], offset: int, total: int, on_upload: Optional[UploadProgress]
    ) -> None:
        self.sending_ms = 0.0
        self._source, self._offset, self._total = source, offset, total
        self._size = min(PIECE_BYTES, total - offset)
        self._on_upload = on_upload
        self._begun = time.monotonic()

    def __len__(self) -> int:
        return self._size

    def chunks(self) -> Iterator[bytes]:
        sent = 0
        while sent < self._size:
            chunk = read_some(self._source, self._size - sent)
            sent += len(chunk)
            yield chunk
            self.sending_ms = (time.monotonic() - self._begun) * 1000.0
            if self._on_upload is not None:
                self._on_upload(self._offset + sent, self._total)


def upload_in_pieces(
    sender: Sender,
    source: IO[bytes],
    size: int,
    *,
    name: Optional[str],
    options: Mapping[str, Any],
    on_upload: Optional[UploadProgress],
    resume: Optional[Resumption] = None,
) -> Flow[str]:
    """Send a file that can be read from anywhere, and return the upload's id."""
    start = source.tell()
    place, offset, breaks = resume.place if resume else None, 0, 0
    if place is not None:
        try:
            offset = yield from _offset(sender, place)
        except NotFoundError:  # it stood still for too long
            place = None
    if place is None:
        place = yield from _begin(sender, size, name, options)
        if resume is not None:
            resume.begun(place)
    while offset < size:
        try:
            reached = yield from _send(sender, place, source, start, offset, size, on_upload)
        except OutOfSyncError as error:
            if not (isinstance(error, TransportError) or error.status >= 500 or error.status == 409):
                raise
            reached = yield from _offset(sender, place)  # as patiently as any request
            breaks = 0 if reached > offset else breaks + 1
            if breaks > MAX_BREAKS:
                raise
        offset = reached
    return place.rsplit("/", 1)[1]


def _begin(sender: Sender, size: int, name: Optional[str], options: Mapping[str, Any]) -> Flow[str]:
    told = {"filename": name or "", "options": json.dumps(options)}
    pairs = [f"{key} {b64encode(value.encode()).decode()}" for key, value in told.items() if value]
    headers = {**TUS, UPLOAD_LENGTH_HEADER: str(size), UPLOAD_METADATA_HEADER: ",".join(pairs)}

    def prepare(address: Address) -> Request:
        return Request("POST", address, EDGE_UPLOADS, headers)

    def read(answer: Answer, _: Request) -> str:
        answer.check()
        return _header(answer, "Location")

    return (yield from sender.send(EDGE_UPLOADS, prepare, read))


def _send(
    sender: Sender,
    place: str,
    source: IO[bytes],
    start: int,
    offset: int,
    size: int,
    on_upload: Optional[UploadProgress],
) -> Flow[int]:
    """The next piece, once; where the upload stands then."""

    def prepare(address: Address) -> Request:
        source.seek(start + offset)
        piece = Piece(source, offset, size, on_upload)
        headers = {**TUS, UPLOAD_OFFSET_HEADER: str(offset), "Content-Type": UPLOAD_TYPE}
        return Request("PATCH", address, place, headers, piece)

    return (yield from sender.send(EDGE_UPLOADS, prepare, _read_offset, retries=Retries.none()))


def _offset(sender: Sender, place: str) -> Flow[int]:
    """Where the upload stands."""

    def prepare(address: Address) -> Request:
        return Request("HEAD", address, place, TUS)

    return (yield from sender.send(EDGE_UPLOADS, prepare, _read_offset))


def _read_offset(answer: Answer, _: Request) -> int:
    answer.check()
    return int(_header(answer, UPLOAD_OFFSET_HEADER))


def _header(answer: Answer, name: str) -> str:
    value = answer.headers.get(name)
    if not value:
        raise answer.unexpected(f"the answer lacks {name}")
    return value
