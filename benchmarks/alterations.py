"""Videos written again in another way that must not matter: container, codec, rate, size, sound, start.

Each is made of the same decoded pictures and sound, so that two of them differ in that one way alone.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import av
import cv2
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from training.evaluation.degradations import Footage, Picture

TICKS = 90_000
CHUNK = 1024  # samples handed to an encoder at once
Channels = Callable[[NDArray[np.float32]], NDArray[np.float32]]  # (samples,) -> (channels, samples)
# Next to nothing is lost, so that a row tells of reading and not of what coding costs.
QUALITY = {
    "libx264": {"preset": "veryfast", "crf": "8", "threads": "1"},
    "libx265": {
        "preset": "ultrafast",
        "crf": "8",
        "x265-params": "log-level=none:pools=none:frame-threads=1",
    },
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "7", "lossless": "1"},
    "mpeg4": {"qmin": "1", "qmax": "1", "mbd": "rd"},
}
SOUND_BITS = 192_000  # a second, for each channel
# Samples that MP3's encoder puts before the sound; AVI has no words for them, so that it would be late.
LATE = {("avi", "libmp3lame"): 1105}


def alone(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    return sound[None]


def alike(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.stack([sound, sound])


def opposite(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.stack([sound, -sound])


def right_only(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.stack([np.zeros_like(sound), sound])


def centre(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of 5.1, with some noise around it."""
    noise = np.random.default_rng(0).normal(0, 0.3 * float(sound.std()), (5, len(sound)))
    return np.insert(noise.astype(np.float32), 2, sound, axis=0)


@dataclass(frozen=True)
class Alteration:
    """One way to write a video; what is not said is as in the video that others are compared with."""

    name: str
    container: str = "mp4"
    video: str = "libx264"
    audio: str = "aac"
    rate: Fraction | None = None  # frames/s; None: the video's own times
    scale: float = 1.0
    crop: float = 0.0  # of each edge, as a share of the side
    gain_db: float = 0.0
    sound_rate: int | None = None
    layout: str = "mono"
    channels: Channels = alone
    start_s: float = 0.0


UNCHANGED = Alteration("coded again")
ALTERATIONS = (
    replace(UNCHANGED, name="Matroska, FLAC", container="matroska", audio="flac"),
    replace(UNCHANGED, name="MOV, PCM", container="mov", audio="pcm_s16le"),
    replace(UNCHANGED, name="transport stream", container="mpegts"),
    # AVI counts pictures and knows no times; MPEG-4 has a clock of its own.
    replace(
        UNCHANGED,
        name="AVI, MPEG-4, MP3",
        container="avi",
        video="mpeg4",
        audio="libmp3lame",
        rate=Fraction(25),
    ),
    replace(UNCHANGED, name="H.265", video="libx265"),
    replace(UNCHANGED, name="WebM, VP9, Opus", container="webm", video="libvpx-vp9", audio="libopus"),
    replace(UNCHANGED, name="starts after an hour", container="matroska", start_s=3600.0),
    replace(UNCHANGED, name="23.976 frames/s", rate=Fraction(24_000, 1001)),
    replace(UNCHANGED, name="29.97 frames/s", rate=Fraction(30_000, 1001)),
    replace(UNCHANGED, name="50 frames/s", rate=Fraction(50)),
    replace(UNCHANGED, name="59.94 frames/s", rate=Fraction(60_000, 1001)),
    replace(UNCHANGED, name="three quarters of the size", scale=0.75),
    replace(UNCHANGED, name="edges cropped by 4 %", crop=0.04),
    replace(UNCHANGED, name="-20 dB", gain_db=-20.0),
    replace(UNCHANGED, name="-40 dB", gain_db=-40.0, container="mov", audio="pcm_f32le"),
    replace(UNCHANGED, name="8 kHz", sound_rate=8_000),
    replace(UNCHANGED, name="stereo", layout="stereo", channels=alike),
    replace(UNCHANGED, name="opposite phase", layout="stereo", channels=opposite),
    replace(UNCHANGED, name="one silent channel", layout="stereo", channels=right_only),
    replace(UNCHANGED, name="5.1, speech in the centre", layout="5.1", channels=centre),
)


def written(footage: Footage, how: Alteration) -> bytes:
    """The footage as a file."""
    file = io.BytesIO()
    # FFmpeg would make room for the encoder's delay by an empty picture in front, 40 ms for 25.
    options = {"avoid_negative_ts": "disabled"} if (how.container, how.audio) in LATE else {}
    with av.open(file, "w", format=how.container, container_options=options) as output:
        pictures = [(time, _picture(footage.pictures[index], how)) for time, index in _shown(footage, how)]
        video = _add_video(output, how, pictures[0][1])
        rate = how.sound_rate or (48_000 if how.audio == "libopus" else footage.sample_rate)
        audio = output.add_stream(how.audio, rate=rate, layout=how.layout)
        assert isinstance(audio, AudioStream)
        if how.audio in ("aac", "libopus", "libmp3lame"):
            audio.bit_rate = SOUND_BITS * len(how.channels(np.zeros(1, np.float32)))
        for time, picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round((time + how.start_s) * TICKS), Fraction(1, TICKS)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        _write_sound(output, audio, footage, how)
    return file.getvalue()


def _shown(footage: Footage, how: Alteration) -> Iterator[tuple[float, int]]:
    """Times (s), and the picture nearest to each, as another camera would have filmed it."""
    if how.rate is None:
        yield from zip(footage.times, range(len(footage.times)), strict=True)
        return
    times = np.array(footage.times)
    for number in range(int((times[-1] + 1e-6) * how.rate) + 1):
        time = float(number / how.rate)
        yield time, int(np.argmin(np.abs(times - time)))


def _picture(picture: Picture, how: Alteration) -> Picture:
    height, width = picture.shape[:2]
    top, left = round(height * how.crop), round(width * how.crop)
    picture = picture[top : height - top, left : width - left]
    if how.scale != 1:
        size = round(picture.shape[1] * how.scale), round(picture.shape[0] * how.scale)
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    height, width = (side - side % 2 for side in picture.shape[:2])
    return np.ascontiguousarray(picture[:height, :width])


def _add_video(output: OutputContainer, how: Alteration, first: Picture) -> VideoStream:
    stream = output.add_stream(how.video, rate=how.rate or 25, options=QUALITY[how.video])
    assert isinstance(stream, VideoStream)
    stream.height, stream.width, stream.pix_fmt = *first.shape[:2], "yuv420p"
    if how.container != "avi":
        stream.codec_context.time_base = Fraction(1, 25 if how.video == "mpeg4" else TICKS)
    return stream


def _write_sound(output: OutputContainer, stream: AudioStream, footage: Footage, how: Alteration) -> None:
    early = LATE.get((how.container, how.audio), 0)
    sound = (footage.sound[early:] * (10 ** (how.gain_db / 20) / 32768)).astype(np.float32)
    channels = how.channels(sound).clip(-1, 1).astype(np.float32)
    resampler = av.AudioResampler(format=stream.format, layout=how.layout, rate=stream.rate)
    first = round(how.start_s * footage.sample_rate)
    for at in range(0, channels.shape[1], CHUNK):
        piece = np.ascontiguousarray(channels[:, at : at + CHUNK])
        frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=how.layout)
        frame.sample_rate, frame.time_base = footage.sample_rate, Fraction(1, footage.sample_rate)
        frame.pts = first + at
        for resampled in resampler.resample(frame):
            output.mux(stream.encode(resampled))
    for resampled in resampler.resample(None):
        output.mux(stream.encode(resampled))
    output.mux(stream.encode(None))
