"""Videos for the page: samples joined to longer ones, and files that cannot be judged."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from pathlib import Path

import av
from media_factory import Media

GAP_S = 0.2  # streams begin before zero: what their decoders need to get going


def joined(parts: Sequence[Path], target: Path) -> Path:
    """The same pictures and sounds one after the other, nothing coded anew."""
    with av.open(str(target), "w") as output:
        with av.open(str(parts[0])) as first:
            streams = {stream.index: output.add_stream_from_template(stream) for stream in first.streams}
        begins = 0.0
        for part in parts:
            with av.open(str(part)) as source:
                ends = begins
                for packet in source.demux():
                    if packet.dts is None or packet.pts is None or packet.duration is None:
                        continue  # the end of a stream
                    moved = round(begins / packet.time_base)
                    packet.pts, packet.dts = packet.pts + moved, packet.dts + moved
                    ends = max(ends, float((packet.pts + packet.duration) * packet.time_base))
                    packet.stream = streams[packet.stream.index]
                    output.mux(packet)
                begins = ends + GAP_S
    return target


def padded(video: Path, size: int, target: Path) -> Path:
    """The same video in a file like no other, of so many bytes more; players and servers pass over them."""
    box = struct.pack(">I4s", size, b"free") + os.urandom(size - 8)
    target.write_bytes(video.read_bytes() + box)
    return target


def empty() -> bytes:
    return b""


def silent() -> bytes:
    """Pictures without a sound track."""
    return Media(audio=None).to_bytes()


def unseen() -> bytes:
    """Sound without pictures."""
    return Media(video=None).to_bytes()


def endless() -> bytes:
    """Two pictures eleven minutes apart: longer than any video that is judged, and small."""
    return Media(frames=2, times=(0.0, 660.0), seconds=1.0).to_bytes()


def broken(sample: Path) -> bytes:
    """The first half of a video that begins with its index: a browser takes it, the server does not."""
    whole = sample.read_bytes()
    return whole[: len(whole) // 2]
