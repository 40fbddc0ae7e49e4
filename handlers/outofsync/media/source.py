"""A stranger's file, opened so that FFmpeg follows nothing that it names. For the child only."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from typing import TypeVar

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from outofsync.constants import FRAME_RATE
from outofsync.errors import ErrorCode, OutOfSyncError, Stage
from outofsync.limits import Limits
from outofsync.media.containers import AUDIO_CODECS, VIDEO_CODECS, Container
from outofsync.media.grid import MICROSECONDS
from outofsync.media.picture import check_side

DECODING_THREADS = 4
DEMUXERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts"
# A file may end this much earlier than it says before it counts as cut off.
MISSING_US = MICROSECONDS // 2


AnyStream = TypeVar("AnyStream", VideoStream, AudioStream)


def microseconds(ticks: int, time_base: Fraction) -> int:
    return round(ticks * time_base * MICROSECONDS)


class Source:
    """One file with its best picture stream and its best sound stream.

    Raises ``corrupt_media``, ``unsupported_media``, ``no_video``, ``no_audio``, ``too_long`` and
    ``too_many_pixels`` as far as the header tells.
    """

    def __init__(self, kind: Container, descriptor: int, limits: Limits) -> None:
        self.kind = kind
        self.packets = 0
        self.damaged = 0  # packets that could not be decoded
        self._skipping = False
        self._first_dts: int | None = None
        options = {
            "fd": str(descriptor),
            "protocol_whitelist": "fd",
            "format_whitelist": DEMUXERS,
            "codec_whitelist": ",".join(sorted(VIDEO_CODECS | AUDIO_CODECS)),
        }
        try:
            self.container = av.open(
                "fd:", "r", format=kind.demuxer, container_options=options, metadata_errors="replace"
            )
        except MemoryError:
            raise
        except av.FFmpegError as error:
            raise _failure(
                ErrorCode.CORRUPT_MEDIA, f"The {kind.name} file is damaged: {error.strerror}."
            ) from None
        self.video, self.audio = self._video_stream(), self._audio_stream()
        self._check_header(limits)
        self.video.thread_type = "AUTO"
        self.video.codec_context.thread_count = DECODING_THREADS

    @property
    def duration_us(self) -> int:
        """As declared; 0 where the container does not say."""
        return max(0, self.container.duration or 0)

    @property
    def frame_rate(self) -> Fraction:
        return self.video.average_rate or self.video.guessed_rate or Fraction(FRAME_RATE)

    @property
    def declared_end_us(self) -> tuple[int, bool]:
        """When playing should end, and whether it is the pictures alone that this is known of."""
        duration = self.video.duration or 0
        if (
            self.kind.name == "avi"
        ):  # FFmpeg shortens the duration of a file cut off, not the number of frames
            duration = max(duration, self.video.frames)
        if duration and self.video.time_base:
            end = (self.video.start_time or 0) + duration
            return microseconds(end, self.video.time_base), True
        return (self.container.start_time or 0) + self.duration_us, False

    def decode(self) -> Iterator[VideoFrame | AudioFrame]:
        """Pictures and sound in the order of the file; damaged packets are counted and left out."""
        for packet in self._demux():
            yield from self._decode(packet)

    def sound_packets(self) -> Iterator[Packet[AudioStream]]:
        """The sound as it is coded; the file ends where it can be read no further."""
        with contextlib.suppress(av.FFmpegError):
            yield from (packet for packet in self.container.demux(self.audio) if packet.size)

    def skip_pictures(self) -> None:
        """Decode sound only from here on."""
        self._skipping = True

    def time_us(self, frame: VideoFrame | AudioFrame) -> int | None:
        """Presentation time, where the file gives one."""
        stream = self.video if isinstance(frame, VideoFrame) else self.audio
        ticks = self._rebuilt_ticks(frame) if stream is self.video and self.kind.name == "avi" else frame.pts
        if ticks is None or stream.time_base is None:
            return None
        return microseconds(ticks, stream.time_base)

    def _rebuilt_ticks(self, picture: VideoFrame | AudioFrame) -> int | None:
        """AVI stores no presentation times and FFmpeg's guess is late where pictures are reordered.

        Decoding times are kept, in the order in which pictures come out, and the first is shown at the start.
        """
        if picture.dts is None:
            return None
        if self._first_dts is None:
            self._first_dts = picture.dts
        return picture.dts - self._first_dts + (self.video.start_time or 0)

    def _demux(self) -> Iterator[Packet[Stream]]:
        try:
            yield from self.container.demux(self.video, self.audio)
        except MemoryError:
            raise
        except av.FFmpegError:  # the rest cannot be read; the decoders still hold pictures
            self.damaged += 1
            for stream in (self.video, self.audio):
                flush = Packet(0)
                flush.stream = stream
                yield flush

    def _decode(self, packet: Packet[Stream]) -> list[VideoFrame | AudioFrame]:
        if self._skipping and packet.stream is self.video:
            return []
        self.packets += 1
        try:
            return [frame for frame in packet.decode() if isinstance(frame, (VideoFrame, AudioFrame))]
        except MemoryError:
            raise
        except (av.FFmpegError, EOFError):
            self.damaged += 1
            return []

    def _video_stream(self) -> VideoStream:
        stream = self.container.streams.best("video")
        if stream is None and any(other.type == "video" for other in self.container.streams):
            raise _failure(ErrorCode.UNSUPPORTED_MEDIA, "The video is coded in a way that is not read here.")
        if not isinstance(stream, VideoStream) or stream.disposition & Disposition.attached_pic:
            raise _failure(ErrorCode.NO_VIDEO, "The file holds no moving picture.")
        return _supported(stream, VIDEO_CODECS)

    def _audio_stream(self) -> AudioStream:
        stream = self.container.streams.best("audio")
        if stream is None and any(other.type == "audio" for other in self.container.streams):
            raise _failure(ErrorCode.UNSUPPORTED_MEDIA, "The sound is coded in a way that is not read here.")
        if not isinstance(stream, AudioStream):
            raise _failure(ErrorCode.NO_AUDIO, "The file holds no sound.")
        return _supported(stream, AUDIO_CODECS)

    def _check_header(self, limits: Limits) -> None:
        check_side(self.video.width, self.video.height, limits, Stage.PROBE)
        seconds = self.duration_us / MICROSECONDS
        if seconds > limits.duration_s:
            raise _failure(
                ErrorCode.TOO_LONG,
                f"The video lasts {seconds:.1f} seconds; {limits.duration_s:g} are allowed.",
            )
        if self.frame_rate > limits.frame_rate:
            raise _failure(
                ErrorCode.UNSUPPORTED_MEDIA,
                f"The video has {float(self.frame_rate):.0f} frames/s; {limits.frame_rate:g} are allowed.",
            )


def _supported(stream: AnyStream, codecs: frozenset[str]) -> AnyStream:
    name = stream.codec_context.name
    if name not in codecs:
        raise _failure(ErrorCode.UNSUPPORTED_MEDIA, f"The file is coded with {name}, which is not read here.")
    return stream


def _failure(code: ErrorCode, message: str) -> OutOfSyncError:
    return OutOfSyncError(code, message, stage=Stage.PROBE)
