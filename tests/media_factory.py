"""Makes test media: pictures that carry their own number, and sound that is easy to find again.

``Media(...).to_bytes()`` writes any container and codec that FFmpeg can encode here.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

BITS = 10  # stripes of a picture's number
TICKS = 90_000  # time base of pictures with times of their own
TONE_HZ = 440.0
CHUNK = 1024  # samples handed to an encoder at once

Picture = NDArray[np.uint8]  # (height, width, 3) RGB
Sound = Callable[[NDArray[np.float64]], NDArray[np.float64]]  # seconds -> −1 … 1

# Encoders at their fastest, without output on the terminal.
ENCODER_OPTIONS = {
    "libx264": {"preset": "ultrafast"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "libsvtav1": {"preset": "12"},
    "vorbis": {"strict": "experimental"},
    "opus": {"strict": "experimental"},
}


def tone(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """A steady note."""
    return 0.3 * np.sin(2 * np.pi * TONE_HZ * seconds)


def click(at: float) -> Sound:
    """Silence, but for a burst of 10 ms that starts at ``at`` seconds."""
    return lambda seconds: 0.8 * np.sin(6000 * seconds) * ((seconds >= at) & (seconds < at + 0.01))


def click_time(sound: NDArray[np.int16]) -> float:
    """When the click is heard (s) in int16 (samples,) of 16 kHz."""
    return float(np.argmax(np.abs(sound.astype(int)) > 4000)) / 16_000


def draw(number: int, width: int, height: int) -> Picture:
    """A grey picture with the number's bits as bright and dark stripes in its upper half, lowest bit left."""
    picture = np.full((height, width, 3), 128, np.uint8)
    edges = np.linspace(0, width, BITS + 1).astype(int)
    for bit in range(BITS):
        picture[: height // 2, edges[bit] : edges[bit + 1]] = 235 if number >> bit & 1 else 20
    return picture


def number_of(picture: Picture) -> int:
    """The number in a picture that ``draw`` made, however coded since; −1 for any other picture."""
    height, width, _ = picture.shape
    middles = ((np.arange(BITS) + 0.5) * width / BITS).astype(int)
    stripes = picture[height // 8 : 3 * height // 8, middles].mean(axis=(0, 2))
    lower = picture[5 * height // 8 : 7 * height // 8].mean()
    if abs(lower - 128) > 30 or np.any(np.abs(stripes - 128) < 50):
        return -1
    return int(np.sum((stripes > 128) << np.arange(BITS)))


@contextmanager
def usual_scheduling() -> Iterator[None]:
    """Leaves this thread's scheduling as it was.

    SVT-AV1 gives the thread that calls it, where that is root's, the highest real-time priority for good. All
    that a session starts afterwards would inherit it, and leave others a twentieth of each second.
    """
    policy, priority = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, priority)


@dataclass(frozen=True)
class Media:
    """What to make. ``video`` or ``audio`` None leaves that stream out.

    ``times`` (s) gives each picture its own time instead of a constant ``rate``; ``*_start`` (s) shifts a
    whole stream, that of pictures by whole frames.
    """

    container: str = "mp4"
    video: str | None = "libx264"
    audio: str | None = "aac"
    frames: int = 50
    width: int = 160
    height: int = 120
    rate: Fraction | int = 25
    times: Sequence[float] | None = None
    video_start: float = 0.0
    rotation: int = 0  # degrees counter-clockwise that a player turns the picture
    pixel_aspect: Fraction | None = None
    pixel_format: str = "yuv420p"
    sound: Sound = tone
    seconds: float | None = None  # of sound; None: as long as the pictures
    audio_start: float = 0.0
    sample_rate: int = 44_100
    layout: str = "mono"

    def to_bytes(self) -> bytes:
        file = io.BytesIO()
        with usual_scheduling(), av.open(file, "w", format=self.container) as output:
            video = self._add_video(output) if self.video else None
            audio = self._add_audio(output) if self.audio else None
            if video:
                self._write_pictures(output, video)
            if audio:
                self._write_sound(output, audio)
        return file.getvalue()

    def _add_video(self, output: OutputContainer) -> VideoStream:
        assert self.video
        stream = output.add_stream(self.video, rate=self.rate, options=ENCODER_OPTIONS.get(self.video, {}))
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = self.width, self.height, self.pixel_format
        if self.times is not None:
            stream.codec_context.time_base = Fraction(1, TICKS)
        if self.pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = self.pixel_aspect
        if self.rotation:
            stream.set_display_rotation(self.rotation)
        return stream

    def _add_audio(self, output: OutputContainer) -> AudioStream:
        assert self.audio
        options = ENCODER_OPTIONS.get(self.audio, {})
        stream = output.add_stream(self.audio, rate=self.sample_rate, layout=self.layout, options=options)
        assert isinstance(stream, AudioStream)
        return stream

    def _write_pictures(self, output: OutputContainer, stream: VideoStream) -> None:
        for index in range(self.frames):
            frame = av.VideoFrame.from_ndarray(draw(index, self.width, self.height), format="rgb24")
            seconds = float(index / self.rate) if self.times is None else self.times[index]
            frame.time_base = 1 / Fraction(self.rate) if self.times is None else Fraction(1, TICKS)
            frame.pts = round((seconds + self.video_start) / frame.time_base)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))

    def _write_sound(self, output: OutputContainer, stream: AudioStream) -> None:
        seconds = self.seconds if self.seconds is not None else float(self.frames / self.rate)
        first = round(self.audio_start * self.sample_rate)
        times = (first + np.arange(round(seconds * self.sample_rate))) / self.sample_rate
        samples = np.round(self.sound(times) * 32767).astype(np.int16)
        for start in range(0, len(samples), CHUNK):
            chunk = np.tile(samples[None, start : start + CHUNK], (2 if self.layout == "stereo" else 1, 1))
            frame = av.AudioFrame.from_ndarray(chunk, format="s16p", layout=self.layout)
            frame.sample_rate, frame.time_base = self.sample_rate, Fraction(1, self.sample_rate)
            frame.pts = first + start
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def beginning(whole: Path, seconds: float) -> bytes:
    """The first seconds of a video as mp4, nothing coded anew."""
    file = io.BytesIO()
    with av.open(str(whole)) as source, av.open(file, "w", format="mp4") as output:
        streams = {stream.index: output.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.pts is not None and packet.time_base and packet.pts * packet.time_base < seconds:
                packet.stream = streams[packet.stream.index]
                output.mux(packet)
    return file.getvalue()
