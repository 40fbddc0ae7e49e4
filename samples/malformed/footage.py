"""A few seconds of a sample, decoded, and how they are written again in unusual ways."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

SAMPLE = Path(__file__).resolve().parent.parent / "synchronised.mp4"
FRAME_RATE, SAMPLE_RATE = 25, 16_000
CHUNK = 1024  # samples handed to an encoder at once
X265 = "log-level=none:pools=none:frame-threads=1"
FASTEST = {
    "libx264": {"preset": "ultrafast", "threads": "1"},
    "libx265": {"preset": "ultrafast", "x265-params": X265},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
}

Picture = NDArray[np.uint8]  # (height, width, 3) RGB
Sound = NDArray[np.float32]  # (samples,) of −1 … 1


@dataclass(frozen=True)
class Footage:
    """Pictures at 25 a second, and sound at 16 kHz from the first of them on."""

    pictures: tuple[Picture, ...]
    sound: Sound

    @classmethod
    def read(cls, seconds: float, side: int) -> Footage:
        """The beginning of a sample, scaled to this side (px)."""
        with av.open(str(SAMPLE)) as container:
            pictures = [
                _scaled(frame.to_ndarray(format="rgb24"), side, side)
                for frame, _ in zip(
                    container.decode(video=0), range(round(seconds * FRAME_RATE)), strict=False
                )
            ]
        resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        with av.open(str(SAMPLE)) as container:
            parts = [
                part.to_ndarray()[0]
                for frame in container.decode(audio=0)
                for part in resampler.resample(frame)
            ]
        return cls(tuple(pictures), np.concatenate(parts)[: round(seconds * SAMPLE_RATE)])

    def resized(self, width: int, height: int) -> Footage:
        return replace(self, pictures=tuple(_scaled(picture, width, height) for picture in self.pictures))

    def shortened(self, frames: int) -> Footage:
        return Footage(self.pictures[:frames], self.sound[: frames * SAMPLE_RATE // FRAME_RATE])


def _scaled(picture: NDArray[Any], width: int, height: int) -> Picture:
    scaled: Picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
    return scaled


@dataclass(frozen=True)
class Writing:
    """How footage is written; ``container_options`` and ``video_options`` are FFmpeg's."""

    container: str = "mp4"
    video: str = "libx264"
    audio: str = "aac"
    pixel_format: str = "yuv420p"
    rate: Fraction = Fraction(FRAME_RATE)  # which makes the pictures go by faster or slower
    sample_rate: int = SAMPLE_RATE
    layout: str = "mono"
    start_s: Fraction = Fraction(0)
    container_options: Mapping[str, str] = field(default_factory=dict)
    video_options: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    also: Callable[[OutputContainer], Callable[[], None]] | None = None  # adds to the streams, and writes

    def __call__(self, footage: Footage) -> bytes:
        """The file."""
        file = io.BytesIO()
        with av.open(file, "w", format=self.container, options=dict(self.container_options)) as output:
            output.metadata.update(self.metadata)
            video, audio = self._add_video(output, footage), self._add_audio(output)
            write_also = self.also(output) if self.also else None
            for index, picture in enumerate(footage.pictures):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.time_base = 1 / self.rate
                frame.pts = index + round(self.start_s * self.rate)
                output.mux(video.encode(frame))
            output.mux(video.encode(None))
            for heard in self._heard(footage.sound):
                output.mux(audio.encode(heard))
            output.mux(audio.encode(None))
            if write_also:
                write_also()
        return file.getvalue()

    def _add_video(self, output: OutputContainer, footage: Footage) -> VideoStream:
        options = FASTEST.get(self.video, {}) | dict(self.video_options)
        stream = output.add_stream(self.video, rate=self.rate, options=options)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = footage.pictures[0].shape[:2]
        stream.pix_fmt = self.pixel_format
        stream.codec_context.time_base = 1 / self.rate
        return stream

    def _add_audio(self, output: OutputContainer) -> AudioStream:
        stream = output.add_stream(self.audio, rate=self.sample_rate, layout=self.layout)
        assert isinstance(stream, AudioStream)
        return stream

    def _heard(self, sound: Sound) -> Iterator[av.AudioFrame]:
        """The sound in pieces; at another rate than 16 kHz it is only played faster."""
        first = round(self.start_s * self.sample_rate)
        channels = len(av.AudioLayout(self.layout).channels)
        for start in range(0, len(sound), CHUNK):
            chunk = np.repeat(sound[start : start + CHUNK], channels)[None]
            frame = av.AudioFrame.from_ndarray(chunk, format="flt", layout=self.layout)
            frame.sample_rate, frame.time_base = self.sample_rate, Fraction(1, self.sample_rate)
            frame.pts = first + start
            yield frame
