"""Transport streams that carry several programmes, as broadcasters send them, made for tests."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import zip_longest

import av
from media_factory import Media

PACKET = 188
TABLE_OF_PROGRAMMES, SERVICES = 0, 0x11  # packet identifiers
FIRST_MAP, FIRST_STREAM, APART = 0x1000, 0x100, 0x10


def several_programmes(media: Sequence[Media]) -> bytes:
    """One programme for each, numbered from 1, their packets in turn."""
    single = [_programme(one, number) for number, one in enumerate(media, start=1)]
    table = _table_of_programmes(len(single))
    return table + b"".join(packet for turn in zip_longest(*single) for packet in turn if packet)


def _programme(media: Media, number: int) -> list[bytes]:
    """The packets of one programme, with identifiers of its own."""
    assert media.container == "mpegts"
    file = io.BytesIO()
    options = {
        "mpegts_service_id": str(number),
        "mpegts_pmt_start_pid": str(_map_of(number)),
        "mpegts_start_pid": str(FIRST_STREAM + number * APART),
    }
    with (
        av.open(io.BytesIO(media.to_bytes()), "r") as source,
        av.open(file, "w", format="mpegts", options=options) as output,
    ):
        streams = {stream.index: output.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream_index]
                output.mux(packet)
    data = file.getvalue()
    packets = [data[at : at + PACKET] for at in range(0, len(data), PACKET)]
    return [packet for packet in packets if _identifier(packet) not in (TABLE_OF_PROGRAMMES, SERVICES)]


def _identifier(packet: bytes) -> int:
    return (packet[1] & 0x1F) << 8 | packet[2]


def _map_of(number: int) -> int:
    return FIRST_MAP + number * APART


def _table_of_programmes(count: int) -> bytes:
    entries = b"".join(
        number.to_bytes(2, "big") + (0xE000 | _map_of(number)).to_bytes(2, "big")
        for number in range(1, count + 1)
    )
    length = 5 + len(entries) + 4
    section = b"\0" + (0xB000 | length).to_bytes(2, "big") + b"\0\1\xc1\0\0" + entries
    section += _checksum(section).to_bytes(4, "big")
    return (b"\x47\x40\x00\x10\x00" + section).ljust(PACKET, b"\xff")


def _checksum(data: bytes) -> int:
    """CRC-32 as MPEG has it: the highest bit first, nothing inverted at the end."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1) ^ (0x04C11DB7 if value >> 31 else 0)
            value &= 0xFFFFFFFF
    return value
