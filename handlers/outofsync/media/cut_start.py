"""A transport stream that begins inside its first picture gets that picture's beginning back.

Recorders that are switched on, and pieces cut by size, begin anywhere. FFmpeg drops what comes before the
next header of a picture; where that is the only key picture, nothing of the video can be decoded. What is
missing is the header alone, whose time follows from those after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

PACKET = 188
SYNC = 0x47
_LOOKED_AT = 4_000  # packets
_TIMES = 12  # of pictures, that tell the first one's
_PICTURES = range(0xE0, 0xF0)  # stream numbers
_CLOCK = 1 << 33
# How key pictures begin: H.264's and H.265's parameters, MPEG's sequence.
_H264, _MPEG2, _H265 = 7, 0xB3, 32


def header_before(data: bytes | bytearray, first: int) -> bytes:
    """The packet that is missing before the one at ``first``; nothing where none is, or none would help."""
    seen: dict[
        int, tuple[int, bytearray]
    ] = {}  # by stream: its first counter, and what it has before a header
    times: dict[int, list[int]] = {}
    for number, counter, starts, payload in _packets(data, first):
        if starts:
            if (
                payload[:3] == b"\0\0\1"
                and len(payload) > 13
                and payload[3] in _PICTURES
                and payload[7] & 0x80
            ):
                times.setdefault(number, []).append(_time(payload[9:14]))
            if len(times.get(number, ())) == _TIMES:
                break
        elif number not in times:
            seen.setdefault(number, (counter, bytearray()))[1].extend(payload)
    for number, (counter, before) in seen.items():
        if len(times.get(number, ())) > 1 and _begins_key_picture(before):
            return _packet(number, counter - 1, _before(times[number]))
    return b""


def _packets(data: bytes | bytearray, first: int) -> Iterator[tuple[int, int, bool, bytes]]:
    """Each packet's stream, counter, whether something starts in it, and what it carries."""
    for at in range(first, min(len(data), first + _LOOKED_AT * PACKET) - PACKET + 1, PACKET):
        packet = bytes(data[at : at + PACKET])
        if packet[0] != SYNC:
            return
        skip = 5 + packet[4] if packet[3] & 0x20 else 4
        if packet[3] & 0x10 and skip < PACKET:
            stream = (packet[1] & 0x1F) << 8 | packet[2]
            yield stream, packet[3] & 0x0F, bool(packet[1] & 0x40), packet[skip:]


def _begins_key_picture(payload: bytearray) -> bool:
    at = payload.find(b"\0\0\1")
    while 0 <= at < len(payload) - 3:
        kind = payload[at + 3]
        if kind == _MPEG2 or (kind & 0x1F == _H264 and kind < 0x80) or kind >> 1 == _H265:
            return True
        at = payload.find(b"\0\0\1", at + 3)
    return False


def _before(times: list[int]) -> int:
    """The time of the picture before these: pictures come in another order than they are shown in."""
    ordered = sorted(times)
    steps = sorted(later - earlier for earlier, later in pairwise(ordered))
    return (ordered[0] - steps[len(steps) // 2]) % _CLOCK


def _time(field: bytes) -> int:
    high, middle, low = field[0] >> 1 & 7, (field[1] << 8 | field[2]) >> 1, (field[3] << 8 | field[4]) >> 1
    return high << 30 | middle << 15 | low


def _packet(stream: int, counter: int, time: int) -> bytes:
    """One packet that begins a picture at this time, and carries nothing more."""
    coded = bytes(
        [
            0x20 | time >> 30 << 1 | 1,
            time >> 22 & 0xFF,
            time >> 14 & 0xFE | 1,
            time >> 7 & 0xFF,
            time << 1 & 0xFE | 1,
        ]
    )
    carried = b"\0\0\1\xe0\0\0\x80\x80\x05" + coded
    stuffing = PACKET - 4 - 2 - len(carried)
    head = bytes([SYNC, 0x40 | stream >> 8, stream & 0xFF, 0x30 | counter & 0x0F, stuffing + 1, 0])
    return head + b"\xff" * stuffing + carried
