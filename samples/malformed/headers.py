"""Files whose headers lie: about durations, counts, sizes, places and times."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from samples.malformed.boxes import box, find, lying, without
from samples.malformed.footage import Footage, Writing

LARGEST, LARGEST_SIGNED = 0xFFFFFFFF, 0x7FFFFFFF
DEPTH = 20_000  # boxes in boxes
# Where things stand in a box's contents (ISO/IEC 14496-12, version 0 of each).
TIMESCALE, DURATION = 12, 16
TRACK_DURATION, TRACK_WIDTH = 20, 76
COUNT, FIRST_ENTRY = 4, 8
SIZES_COUNT = 8
EDIT_START = 12
ENTRY_SIZE, ENTRY_WIDTH, ENTRY_HEIGHT = 8, 40, 42

MP4 = Writing()
FRAGMENTED = Writing(container_options={"movflags": "+frag_keyframe+empty_moov"})

Make = Callable[[Footage], bytes]


def lie(kind: bytes, at: int, value: int, *, width: int = 4, number: int = 0, how: Writing = MP4) -> Make:
    """An mp4 with one number that is not true."""
    return lambda footage: lying(how(footage), kind, at, value, width=width, number=number)


def lacking(kind: bytes, number: int = 0, how: Writing = MP4) -> Make:
    """An mp4 in which one box is hidden."""
    return lambda footage: without(how(footage), kind, number)


def outer_size(kind: bytes, size: int, footage: Footage) -> bytes:
    """An mp4 in which one box claims another size."""
    data = MP4(footage)
    place = find(data, kind).start
    return data[:place] + size.to_bytes(4, "big") + data[place + 4 :]


def long_size(kind: bytes, footage: Footage) -> bytes:
    """The same with the longest size that 64 bits hold, in the form for large boxes."""
    data = MP4(footage)
    found = find(data, kind)
    large = (1).to_bytes(4, "big") + kind + ((1 << 63) - 1).to_bytes(8, "big")
    return data[: found.start] + large + data[found.body :]


def nested(footage: Footage) -> bytes:
    """Boxes in boxes, as many as fit."""
    whole = b""
    for _ in range(DEPTH):
        whole = box(b"moov", whole)
    return MP4(footage)[: find(MP4(footage), b"moov").start] + whole


def twice(kind: bytes, footage: Footage) -> bytes:
    """An mp4 with a second copy of a box of the file."""
    data = MP4(footage)
    found = find(data, kind)
    return data + data[found.start : found.stop]


def avi(at: bytes, skip: int, value: int, footage: Footage) -> bytes:
    """An AVI with a number that is not true, ``skip`` bytes after a word."""
    data = bytearray(Writing(container="avi", video="mpeg4", audio="libmp3lame")(footage))
    place = data.index(at) + len(at) + skip
    data[place : place + 4] = value.to_bytes(4, "little")
    return bytes(data)


def avi_without_index(footage: Footage) -> bytes:
    data = Writing(container="avi", video="mpeg4", audio="libmp3lame")(footage)
    return data[: data.rindex(b"idx1")]


# Lies that change nothing of what is seen and heard …
HARMLESS: dict[str, Make] = {
    "length of the whole, the longest": lie(b"mvhd", DURATION, LARGEST),
    "length of the whole, none": lie(b"mvhd", DURATION, 0),
    "clock of the whole, none": lie(b"mvhd", TIMESCALE, 0),
    "clock of the whole, fastest": lie(b"mvhd", TIMESCALE, LARGEST),
    "length of the picture, the longest": lie(b"mdhd", DURATION, LARGEST_SIGNED),
    "clock of the picture, none": lie(b"mdhd", TIMESCALE, 0),
    "clock of the picture, slowest": lie(b"mdhd", TIMESCALE, 1),
    "length of the track, the longest": lie(b"tkhd", TRACK_DURATION, LARGEST),
    "pictures with one time, the most": lie(b"stts", FIRST_ENTRY, LARGEST),
    "step of times, none": lie(b"stts", 12, 0),
    "number of places, the largest": lie(b"stco", COUNT, LARGEST),
    "number of edits, the largest": lie(b"elst", COUNT, LARGEST),
    "size of the index, none": partial(outer_size, b"moov", 0),
    "size of the index, the largest": partial(outer_size, b"moov", LARGEST),
    "size of the index, 63 bits": partial(long_size, b"moov"),
    "fragment at the latest time": lie(b"tfdt", COUNT, -2, width=8, how=FRAGMENTED),
    "two indexes": partial(twice, b"moov"),
    "AVI of the most pictures": partial(avi, b"avih", 4 + 16, LARGEST),
    "AVI without time between pictures": partial(avi, b"avih", 4, 0),
    "AVI whose clock stands": partial(avi, b"strh", 4 + 24, 0),
    "AVI whose list is longer than the file": partial(avi, b"RIFF", 0, LARGEST),
}
# … and those after which nothing can be found, or is worth the search.
HARMFUL: dict[str, Make] = {
    "clock of the picture, fastest": lie(b"mdhd", TIMESCALE, LARGEST_SIGNED),
    "number of sizes, the largest": lie(b"stsz", SIZES_COUNT, LARGEST),
    "number of sizes, none": lie(b"stsz", SIZES_COUNT, 0),
    "one size of all pictures, the largest": lie(b"stsz", COUNT, LARGEST_SIGNED),
    "size of the first picture, the largest": lie(b"stsz", 12, LARGEST),
    "number of times, the largest": lie(b"stts", COUNT, LARGEST),
    "step of times, the largest": lie(b"stts", 12, LARGEST),
    "step of times, the largest signed": lie(b"stts", 12, LARGEST_SIGNED),
    "place of the pictures, behind the end": lie(b"stco", FIRST_ENTRY, LARGEST_SIGNED),
    "place of the pictures, in the head": lie(b"stco", FIRST_ENTRY, 0),
    "pictures in a chunk, the most": lie(b"stsc", 12, LARGEST),
    "number of codecs, none": lie(b"stsd", COUNT, 0),
    "number of codecs, the largest": lie(b"stsd", COUNT, LARGEST),
    "size of a codec's entry, none": lie(b"stsd", ENTRY_SIZE, 0),
    "size of a codec's entry, the largest": lie(b"stsd", ENTRY_SIZE, LARGEST),
    "edit that begins before the file": lie(b"elst", EDIT_START, -(1 << 31)),
    "edit that begins behind the end": lie(b"elst", EDIT_START, LARGEST_SIGNED),
    "size of the index, seven": partial(outer_size, b"moov", 7),
    "size of the contents, none": partial(outer_size, b"mdat", 0),
    "size of the contents, the largest": partial(outer_size, b"mdat", LARGEST),
    "size of the contents, 63 bits": partial(long_size, b"mdat"),
    "fragment in a track of no number": lie(b"tfhd", COUNT, LARGEST, how=FRAGMENTED),
    "fragment with the most samples": lie(b"trun", COUNT, LARGEST, how=FRAGMENTED),
    "fragment before time": lie(b"tfdt", COUNT, 1 << 63, width=8, how=FRAGMENTED),
    "boxes in boxes": nested,
}

# Boxes that are hidden, and which of those of their kind.
INDEX_BOXES = (
    *(
        (kind, 0)
        for kind in (b"moov", b"mdat", b"trak", b"stbl", b"stsd", b"stts", b"stsz", b"stco", b"stsc")
    ),
    *((kind, 1) for kind in (b"trak", b"stbl")),
    *((kind, 0) for kind in (b"hdlr", b"mdhd", b"mvhd", b"ftyp", b"edts", b"dinf")),
)
