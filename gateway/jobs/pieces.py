"""Uploads that come in pieces, and go on after a break from where they stood.

Such a file is the body that a server will read, from its first byte on: the head of a form with the options,
then the video as it comes, then the form's end. So nothing is copied once it is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

import sqlalchemy as sa

from gateway.jobs.job import FullError
from gateway.jobs.tables import UPLOADS, take_turns

SUFFIX = ".piece"
READ_BYTES = 1 << 20


class BusyError(Exception):
    """Somebody is writing to it already."""


@dataclass(frozen=True)
class Pieces:
    """One such upload; ``length`` is of the video, in bytes, and ``head`` of what stands before it."""

    id: str
    holder: str
    length: int
    head: int
    boundary: str
    file: str
    options: str
    created: float

    @property
    def body_type(self) -> str:
        """Media type of the whole file."""
        return f"multipart/form-data; boundary={self.boundary}"


class PieceStore:
    """Those of one database and folder. Methods block."""

    def __init__(self, engine: sa.Engine, folder: Path, *, most: int, most_bytes: int) -> None:
        self._engine = engine
        self._folder = folder
        self._most = most
        self._most_bytes = most_bytes

    def path(self, id: str) -> Path:
        """Where it lies."""
        return self._folder / f"{id}{SUFFIX}"

    def begin(self, holder: str, length: int, file: str, options: str) -> Pieces:
        """A new one; raises :class:`FullError` where a key has too many, OSError where the disk is full."""
        boundary = secrets.token_hex(16)
        head = _head(boundary, options)
        made = Pieces(secrets.token_hex(16), holder, length, len(head), boundary, file, options, time.time())
        with self._engine.connect() as connection:
            take_turns(connection)
            count, size = connection.execute(
                sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(UPLOADS.c.length), 0)).where(
                    UPLOADS.c.holder == holder
                )
            ).one()
            if count >= self._most or size + length > self._most_bytes:
                raise FullError(f"this key has {count} uploads that are not complete, as much as it may")
            connection.execute(sa.insert(UPLOADS).values(**vars(made)))
            connection.commit()
        descriptor = os.open(self.path(made.id), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(head)
        return made

    def get(self, id: str, holder: str) -> Pieces | None:
        """A holder's upload."""
        query = sa.select(UPLOADS).where(UPLOADS.c.id == id, UPLOADS.c.holder == holder)
        with self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None or not self.path(id).exists() else Pieces(**row._mapping)

    def offset(self, pieces: Pieces) -> int:
        """How many bytes of the video are here."""
        here = self.path(pieces.id).stat().st_size - pieces.head
        return min(here, pieces.length)  # behind which the form's end may stand

    @contextmanager
    def writing(self, pieces: Pieces) -> Iterator[int]:
        """A descriptor at the end of the file, for one writer; raises :class:`BusyError`."""
        descriptor = os.open(self.path(pieces.id), os.O_WRONLY | os.O_APPEND)
        try:
            try:
                flock(descriptor, LOCK_EX | LOCK_NB)
            except BlockingIOError:
                raise BusyError from None
            yield descriptor
        finally:
            os.close(descriptor)

    def close(self, pieces: Pieces, target: Path) -> tuple[str, int]:
        """Make it a job's file, and return the video's SHA-256 and the file's size in bytes."""
        path, digest, left = self.path(pieces.id), hashlib.sha256(), pieces.length
        with path.open("rb") as opened:
            opened.seek(pieces.head)
            while left:
                piece = opened.read(min(READ_BYTES, left))
                digest.update(piece)
                left -= len(piece)
        tail = _tail(pieces.boundary)
        with path.open("r+b") as opened:  # at its place, so that doing this twice is doing it once
            opened.seek(pieces.head + pieces.length)
            opened.write(tail)
            opened.flush()
            os.fsync(opened.fileno())
        os.link(path, target)
        return digest.hexdigest(), pieces.head + pieces.length + len(tail)

    def remove(self, id: str) -> None:
        """It is needed no longer."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(UPLOADS).where(UPLOADS.c.id == id))
        self.path(id).unlink(missing_ok=True)

    def expire(self, older_than_s: float) -> None:
        """Remove those that have not moved for so long, in seconds."""
        query = sa.select(UPLOADS.c.id).where(UPLOADS.c.created < time.time() - older_than_s)
        with self._engine.connect() as connection:
            old = list(connection.scalars(query))
        for id in old:
            moved = 0.0
            with suppress(FileNotFoundError):
                moved = self.path(id).stat().st_mtime
            if moved < time.time() - older_than_s:
                self.remove(id)


def _head(boundary: str, options: str) -> bytes:
    return (
        f'--{boundary}\r\nContent-Disposition: form-data; name="options"\r\n'
        f"Content-Type: application/json\r\n\r\n{json.dumps(json.loads(options))}\r\n"
        f'--{boundary}\r\nContent-Disposition: form-data; name="data"; filename="video"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()


def _tail(boundary: str) -> bytes:
    return f"\r\n--{boundary}--\r\n".encode()
