"""ISO files (mp4, mov) as boxes: where each lies, and how a byte of one is made to lie."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

HOLDERS = (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"stbl", b"edts", b"udta", b"moof", b"traf", b"mvex")


@dataclass(frozen=True)
class Box:
    kind: bytes
    start: int
    stop: int
    path: tuple[bytes, ...]  # of the boxes around it

    @property
    def body(self) -> int:
        """Where its contents begin."""
        return self.start + 8


def boxes(
    data: bytes, start: int = 0, stop: int | None = None, path: tuple[bytes, ...] = ()
) -> Iterator[Box]:
    """Every box of a file that FFmpeg wrote, those that hold others before these."""
    end = len(data) if stop is None else stop
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        box = Box(kind, start, start + size, path)
        yield box
        if kind in HOLDERS:
            yield from boxes(data, box.body, box.stop, (*path, kind))
        start = box.stop


def find(data: bytes, kind: bytes, number: int = 0) -> Box:
    """The box of a kind, the first one unless a number says otherwise."""
    return [box for box in boxes(data) if box.kind == kind][number]


def lying(data: bytes, kind: bytes, at: int, value: int, *, width: int = 4, number: int = 0) -> bytes:
    """The file with ``width`` bytes, ``at`` bytes into a box's contents, that say ``value``."""
    place = find(data, kind, number).body + at
    return data[:place] + (value % (1 << 8 * width)).to_bytes(width, "big") + data[place + width :]


def without(data: bytes, kind: bytes, number: int = 0) -> bytes:
    """The file in which a box is called something that nobody reads."""
    place = find(data, kind, number).start + 4
    return data[:place] + b"none" + data[place + 4 :]


def box(kind: bytes, *contents: bytes) -> bytes:
    """A box of our own."""
    body = b"".join(contents)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def index_first(data: bytes) -> bytes:
    """The file with its index before its contents, as it is put on the web."""
    index, contents = find(data, b"moov"), find(data, b"mdat")
    moov = bytearray(data[index.start : index.stop])
    for table in [found for found in boxes(data) if found.kind == b"stco"]:
        first = table.body - index.start + 8
        for place in range(first, table.stop - index.start, 4):
            (offset,) = struct.unpack_from(">I", moov, place)
            struct.pack_into(">I", moov, place, offset + len(moov))
    return data[: contents.start] + bytes(moov) + data[contents.start : index.start]


def cut_at_every_box(data: bytes) -> dict[str, bytes]:
    """The file cut off before each box, and in the middle of each one's header and contents."""
    cuts: dict[str, bytes] = {}
    for found in boxes(data):
        name = "/".join(part.decode("latin-1") for part in (*found.path, found.kind))
        for where, at in (
            ("before", found.start),
            ("in the head of", found.start + 6),
            ("in", (found.body + found.stop) // 2),
        ):
            cuts.setdefault(f"{where} {name}", data[:at])
    return cuts
