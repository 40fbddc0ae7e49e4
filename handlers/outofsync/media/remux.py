"""Encodes new pictures beside a source's sound. For the child only."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter
from av.video.stream import VideoStream

from outofsync.constants import FRAME_RATE
from outofsync.media.grid import MICROSECONDS
from outofsync.media.protocol import COUNT, Link, Task
from outofsync.media.ring import CHANNELS
from outofsync.media.source import DECODING_THREADS, Source

VIDEO_OPTIONS = {"preset": "veryfast", "crf": "18", "threads": str(DECODING_THREADS)}
MP4_SOUND = frozenset({"aac", "ac3", "alac", "eac3", "flac", "mp3", "opus"})
BT601 = 6  # AVCOL_SPC_SMPTE170M and its primaries: what the conversion from RGB writes
MATRIX = Colorspace.SMPTE170M
LIMITED_RANGE = 1
# Kept before the first picture, so that the sound's decoder has warmed up; players skip it.
LEAD_IN_S = Fraction(1, 10)


def encode(source: Source, origin_us: int, task: Task, link: Link) -> None:
    """Read pictures from the link, answer with the file's bytes."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        video = _add_video(output, task.shape)
        sound = _Sound(source, output, Fraction(origin_us, MICROSECONDS))
        for index, picture in enumerate(_pictures(link, task.shape)):
            sound.write_until(Fraction(index, FRAME_RATE))
            picture.pts, picture.time_base = index, Fraction(1, FRAME_RATE)
            output.mux(video.encode(picture))
        output.mux(video.encode(None))
        sound.write_until(None)
    encoded = file.getbuffer()
    link.send(encoded, bytes=len(encoded))


def _add_video(output: OutputContainer, shape: tuple[int, int]) -> VideoStream:
    video: VideoStream = output.add_stream("libx264", rate=FRAME_RATE, options=VIDEO_OPTIONS)
    video.height, video.width = shape
    video.pix_fmt = "yuv420p"
    video.colorspace, video.color_primaries, video.color_trc = BT601, BT601, BT601
    video.color_range = LIMITED_RANGE
    return video


def _pictures(link: Link, shape: tuple[int, int]) -> Iterator[VideoFrame]:
    height, width = shape
    row = width * CHANNELS
    reformatter = VideoReformatter()
    while count := COUNT.unpack(link.receive(COUNT.size))[0]:
        for _ in range(count):
            pixels = memoryview(link.receive(height * row))
            picture = VideoFrame(width, height, "rgb24")
            plane = picture.planes[0]
            target, stride = memoryview(plane), plane.line_size
            for index in range(height):
                target[index * stride : index * stride + row] = pixels[index * row : (index + 1) * row]
            yield reformatter.reformat(
                picture,
                format="yuv420p",
                dst_colorspace=MATRIX,
                interpolation="BICUBIC",
                threads=1,
            )


class _Sound:
    """The source's sound, moved so that the first picture is at zero, written as far as the pictures are."""

    def __init__(self, source: Source, output: OutputContainer, origin_s: Fraction) -> None:
        self._source = source
        self._output = output
        self._origin_s = origin_s
        codec = source.audio.codec_context.codec.canonical_name
        copied = codec in MP4_SOUND
        self._stream = output.add_stream_from_template(source.audio) if copied else self._add_encoder()
        self._packets = self._copied() if copied else self._encoded(self._stream)
        self._next = next(self._packets, None)

    def write_until(self, time_s: Fraction | None) -> None:
        """Write what starts before ``time_s``; None for all the rest."""
        while self._next is not None:
            start = self._next.pts if self._next.pts is not None else self._next.dts
            if time_s is not None and start is not None and start * self._next.time_base > time_s:
                return
            self._output.mux(self._next)
            self._next = next(self._packets, None)

    def _add_encoder(self) -> AudioStream:
        audio = self._source.audio
        layout = "mono" if audio.channels == 1 else "stereo"
        return self._output.add_stream("aac", rate=audio.rate, layout=layout)

    def _copied(self) -> Iterator[Packet[AudioStream]]:
        time_base = self._source.audio.time_base or Fraction(1, MICROSECONDS)
        shift = round(self._origin_s / time_base)
        latest: int | None = None
        for packet in self._source.sound_packets():
            if packet.pts is None:
                continue
            packet.pts -= shift
            packet.dts = packet.pts
            if latest is not None and packet.pts <= latest:
                continue  # where recordings were joined, the end of one lies under the start of the next
            if (packet.pts + (packet.duration or 0)) * time_base > -LEAD_IN_S:
                latest = packet.pts
                packet.stream = self._stream
                yield packet

    def _encoded(self, stream: AudioStream) -> Iterator[Packet[AudioStream]]:
        shift_us = round(self._origin_s * MICROSECONDS)
        for frame in self._source.decode():
            time_us = self._source.time_us(frame)
            if isinstance(frame, AudioFrame) and time_us is not None and time_us >= shift_us:
                frame.time_base = Fraction(1, frame.sample_rate)
                frame.pts = round((time_us - shift_us) * frame.sample_rate / MICROSECONDS)
                yield from stream.encode(frame)
        yield from stream.encode(None)
