"""Matroska files with several sound tracks, a cover picture and subtitles, made for tests."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from media_factory import Media, click, draw


@dataclass(frozen=True)
class Take:
    """One sound track, with a click at ``at`` seconds."""

    at: float
    default: bool = True
    special: bool = False
    bits: int = 48_000


def several(takes: list[Take], *, cover: bool = False, subtitle_s: float | None = None) -> bytes:
    """Two seconds of numbered pictures, and these sounds in this order."""
    sources = [
        _opened(Media(container="matroska", sound=click(take.at), sample_rate=16_000).to_bytes())
        for take in takes
    ]
    file = io.BytesIO()
    with av.open(file, "w", format="mp4" if cover else "matroska") as output:
        video = output.add_stream_from_template(sources[0].streams.video[0])
        sounds = []
        for source, take in zip(sources, takes, strict=True):
            stream = output.add_stream_from_template(source.streams.audio[0])
            stream.disposition = Disposition(
                Disposition.default * take.default + Disposition.visual_impaired * take.special
            )
            sounds.append(stream)
        still = _add_cover(output) if cover else None
        lines = _lines(subtitle_s) if subtitle_s is not None else None
        text = output.add_stream_from_template(lines.streams[0]) if lines else None
        packets: list[tuple[Packet[Any], Any]] = []
        for source, stream in zip(sources, sounds, strict=True):
            for packet in source.demux():
                wanted = packet.stream.type == "audio" or source is sources[0]
                if packet.size and wanted:
                    packets.append((packet, stream if packet.stream.type == "audio" else video))
        if lines is not None:
            packets += [(packet, text) for packet in lines.demux() if packet.size]
        if still is not None:
            picture = av.VideoFrame.from_ndarray(draw(0, 64, 64), format="rgb24")
            output.mux(still.encode(picture))
        for packet, target in sorted(packets, key=lambda one: (one[0].dts or 0) * one[0].time_base):
            packet.stream = target
            output.mux(packet)
    return file.getvalue()


def _add_cover(output: av.container.OutputContainer) -> av.VideoStream:
    still = output.add_stream("mjpeg", rate=1)
    still.width, still.height, still.pix_fmt = 64, 64, "yuvj420p"
    still.disposition = Disposition.attached_pic
    return still


def _lines(seconds: float) -> InputContainer:
    """Subtitles: one line that stays for so long."""
    hours, rest = divmod(round(seconds), 3600)
    text = f"1\n00:00:00,100 --> {hours:02}:{rest // 60:02}:{rest % 60:02},000\nA line that stays\n\n"
    return _opened(text.encode(), "srt")


def _opened(data: bytes, kind: str | None = None) -> InputContainer:
    return av.open(io.BytesIO(data), "r", format=kind)
