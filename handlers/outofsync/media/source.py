"""A stranger's file, opened so that FFmpeg follows nothing that it names. For the child only."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame

from outofsync.constants import FRAME_RATE
from outofsync.errors import ErrorCode, OutOfSyncError, Stage
from outofsync.limits import Limits
from outofsync.media.containers import ALLOWED, Container
from outofsync.media.grid import MICROSECONDS
from outofsync.media.picture import check_side
from outofsync.media.timeline import Stamps, Timeline, TimesError
from outofsync.media.tracks import NAMES, Wanted, choose

DECODING_THREADS = 4
# A file may end this much earlier than it says before it counts as cut off.
MISSING_US = MICROSECONDS // 2
# Containers that say nothing of their end; FFmpeg guesses it from the last times that it finds.
ENDLESS = ("mpeg", "mpegts")
_CLOCK = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")  # Matroska's note on how long a track is


def microseconds(ticks: int, time_base: Fraction) -> int:
    return round(ticks * time_base * MICROSECONDS)


class Source:
    """One file with the picture and the sound that are judged.

    Raises ``corrupt_media``, ``unsupported_media``, ``no_video``, ``no_audio``, ``too_many_pixels`` and
    ``bad_options`` as far as the header tells.
    """

    def __init__(self, kind: Container, descriptor: int, limits: Limits, wanted: Wanted) -> None:
        self.kind = kind
        self.packets = 0
        self.damaged = 0  # packets that could not be decoded
        self._skipping = False
        self._first_dts: int | None = None
        self._timeline: Timeline | None = None
        self._offsets: dict[int, Iterator[int]] = {}  # of the packets of each stream to come
        self._others_end_us = 0  # of subtitles and the like
        os.lseek(descriptor, 0, os.SEEK_SET)
        options = {"fd": str(descriptor), **ALLOWED}
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
        chosen = choose(self.container, wanted)
        self.video, self.audio = chosen.video, chosen.audio
        self.tracks, self.cropping = chosen.listed, chosen.cropping
        self._check_header(limits)
        self.video.thread_type = "AUTO"
        self.video.codec_context.thread_count = DECODING_THREADS

    @classmethod
    def open(cls, kind: Container, descriptor: int, limits: Limits, wanted: Wanted) -> Source:
        """Read a file's times once, then open it again with all of them on one line.

        Raises what the constructor raises, and ``too_long``.
        """
        first = cls(kind, descriptor, limits, wanted)
        first._timeline = first.read_times()
        first.container.close()
        seconds = first.timeline.length_us / MICROSECONDS
        if seconds > limits.duration_s:
            message = f"The video lasts {seconds:.1f} seconds; {limits.duration_s:g} are allowed."
            raise _failure(ErrorCode.TOO_LONG, message)
        return first.again(descriptor, limits, wanted)

    def again(self, descriptor: int, limits: Limits, wanted: Wanted) -> Source:
        """The same file from its beginning, with the same times."""
        source = Source(self.kind, descriptor, limits, wanted)
        source._timeline, source._others_end_us = self._timeline, self._others_end_us
        video, audio = self.timeline.video, self.timeline.audio
        source._offsets = {source.video.index: video.offsets(), source.audio.index: audio.offsets()}
        return source

    @property
    def timeline(self) -> Timeline:
        assert self._timeline is not None, "the times have not been read"
        return self._timeline

    def read_times(self) -> Timeline:
        """Read the file through without decoding it; raises ``corrupt_media`` for times without sense."""
        video, audio = Stamps(pictures=True), Stamps(pictures=False)
        stamps = {self.video.index: video, self.audio.index: audio}
        try:
            for place, packet in enumerate(self.container.demux()):
                if not _counts(packet):
                    continue
                ticks, (scale, base) = self._stored_ticks(packet), packet.time_base.as_integer_ratio()
                start = None if ticks is None else ticks * scale * MICROSECONDS // base
                duration = (packet.duration or 0) * scale * MICROSECONDS // base
                if own := stamps.get(packet.stream_index):
                    if not own.times and packet.has_sidedata("encryption_info"):
                        raise _encrypted(packet.stream)
                    own.add(place, start, duration, key=packet.is_keyframe)
                else:
                    self._others_end_us = max(self._others_end_us, (start or 0) + duration)
        except MemoryError:
            raise
        except av.FFmpegError:
            pass  # as far as it can be read
        except TimesError as error:
            raise _failure(ErrorCode.CORRUPT_MEDIA, str(error)) from None
        return Timeline(video, audio)

    @property
    def duration_us(self) -> int:
        """As declared, where picture and sound bear that out; 0 where neither is known."""
        declared, measured = max(0, self.container.duration or 0), self.timeline.length_us
        return declared if abs(declared - measured) <= MISSING_US else measured

    @property
    def frame_rate(self) -> Fraction:
        return self.video.average_rate or self.video.guessed_rate or Fraction(FRAME_RATE)

    @property
    def declared_end_us(self) -> tuple[int, bool]:
        """When playing should end, and whether it is the pictures alone that this is known of.

        0 where the file does not say, or not of picture and sound.
        """
        if self.kind.name in ENDLESS or self.timeline.moved:
            return 0, False
        duration = self.video.duration or 0
        if (
            self.kind.name == "avi"
        ):  # FFmpeg shortens the duration of a file cut off, not the number of frames
            duration = max(duration, self.video.frames)
        if duration and self.video.time_base:
            end = (self.video.start_time or 0) + duration
            return microseconds(end, self.video.time_base), True
        declared = max(0, self.container.duration or 0)
        if self._others_end_us >= declared - MISSING_US:  # said of a subtitle that stays
            return self._noted_end_us(), True
        return declared, False

    def _noted_end_us(self) -> int:
        noted = _CLOCK.match(self.video.metadata.get("DURATION", ""))
        if noted is None:
            return 0
        return round((int(noted[1]) * 3600 + int(noted[2]) * 60 + float(noted[3])) * MICROSECONDS)

    def decode(self) -> Iterator[VideoFrame | AudioFrame]:
        """Pictures and sound in the order of the file; damaged packets are counted and left out."""
        for packet in self._demux():
            yield from self._decode(packet)

    def sound_packets(self) -> Iterator[Packet[AudioStream]]:
        """The sound as it is coded; the file ends where it can be read no further."""
        with contextlib.suppress(av.FFmpegError):
            for packet in self.container.demux(self.audio):
                if packet.size:
                    self._move(packet)
                    yield packet

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

    def _stored_ticks(self, packet: Packet[Stream]) -> int | None:
        """Presentation time as the file has it; AVI has none and counts packets."""
        return packet.dts if packet.pts is None or self.kind.name == "avi" else packet.pts

    def _demux(self) -> Iterator[Packet[Stream]]:
        try:
            for packet in self.container.demux(self.video, self.audio):
                self._move(packet)
                yield packet
        except MemoryError:
            raise
        except av.FFmpegError:  # the rest cannot be read; the decoders still hold pictures
            self.damaged += 1
            for stream in (self.video, self.audio):
                flush = Packet(0)
                flush.stream = stream
                yield flush

    def _move(self, packet: Packet[Any]) -> None:
        """Give the next packet its place on the common line."""
        if _counts(packet) and (shift_us := next(self._offsets[packet.stream_index], 0)):
            shift = round(shift_us / MICROSECONDS / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts + shift
            packet.dts = None if packet.dts is None else packet.dts + shift

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

    def _check_header(self, limits: Limits) -> None:
        check_side(self.video.width, self.video.height, limits, Stage.PROBE)
        if self.frame_rate > limits.frame_rate:
            raise _failure(
                ErrorCode.UNSUPPORTED_MEDIA,
                f"The video has {float(self.frame_rate):.0f} frames/s; {limits.frame_rate:g} are allowed.",
                "Take it down: ffmpeg -i INPUT -r 25 OUTPUT.mp4",
            )


def _counts(packet: Packet[Any]) -> bool:
    """Whether a packet has a place in time: it holds something that is to be played."""
    return packet.size > 0 and not packet.is_discard and bool(packet.time_base)


def _encrypted(stream: Stream) -> OutOfSyncError:
    return _failure(
        ErrorCode.UNSUPPORTED_MEDIA,
        f"Track {stream.index}, the {NAMES[stream.type]}, is encrypted.",
        "Send the video without copy protection.",
    )


def _failure(code: ErrorCode, message: str, hint: str | None = None) -> OutOfSyncError:
    return OutOfSyncError(code, message, stage=Stage.PROBE, hint=hint)
