"""Videos made worse in one known way each, as files: what the product gets to see is the degraded file."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import av
import cv2
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

TICKS = 90_000  # time base of pictures
CHUNK = 1024  # samples handed to an encoder at once
SOUND_BITS = 128_000  # per second: AAC shows no loss
HIGH_QUALITY = 12  # constant rate factor at which H.264 shows no loss

Picture = NDArray[np.uint8]  # (height, width, 3) RGB
Random = np.random.Generator


@dataclass(frozen=True)
class Footage:
    """A decoded video: pictures with their times (s), and mono sound that begins at time 0."""

    pictures: list[Picture]
    times: list[float]
    sound: NDArray[np.int16]
    sample_rate: int


@dataclass(frozen=True)
class Degradation:
    """One way to make a video worse; lengths are shares of the picture's shorter side."""

    name: str
    rate_factor: int = HIGH_QUALITY  # H.264's constant rate factor: higher is worse
    frame_rate: Fraction | None = None  # frames/s; None: the source's own times
    sound_rate: int | None = None  # Hz; None: the source's own
    gain_db: float = 0.0
    change: Callable[[Picture, Random], Picture] | None = field(default=None, compare=False)
    coded_again: bool = True  # else the streams are copied into another container


def resize_quarter(picture: Picture, _: Random) -> Picture:
    """(height, width, 3) → a quarter of each side, at least 32 px."""
    height, width = (max(32, round(side / 4)) for side in picture.shape[:2])
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def gaussian_blur(picture: Picture, _: Random) -> Picture:
    """(height, width, 3) → the same; standard deviation 1.2 % of the shorter side: 2.7 px of 224."""
    sigma = 0.012 * min(picture.shape[:2])
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def motion_blur(picture: Picture, _: Random) -> Picture:
    """(height, width, 3) → the same; a sideways path of 4 % of the shorter side: 9 px of 224."""
    length = max(3, round(0.04 * min(picture.shape[:2])))
    return np.asarray(cv2.blur(picture, (length, 1)), np.uint8)


UNCHANGED = Degradation("only encoded again")
EVERYDAY = (
    Degradation("remux (Matroska)", coded_again=False),
    Degradation("H.264, CRF 30", rate_factor=30),
    Degradation("29.97 frames/s", frame_rate=Fraction(30_000, 1001)),
    Degradation("8 kHz sound", sound_rate=8_000),
    Degradation("-20 dB", gain_db=-20.0),
)
BLURS = (
    Degradation("resized to 25 %", change=resize_quarter),
    Degradation("Gaussian blur", change=gaussian_blur),
    Degradation("motion blur", change=motion_blur),
)


def read_footage(data: bytes, longest: float) -> Footage:
    """The first ``longest`` seconds of a trusted file, at most about twice 25 pictures for each of them.

    Sound is mono at its own rate, but at least 16 kHz; times count from the first picture, and sound missing
    at the beginning is silence.
    """
    pictures, times = list[Picture](), list[float]()
    with av.open(io.BytesIO(data), "r") as file:
        for frame in file.decode(video=0):
            times.append(float(frame.time or 0.0))
            if times[-1] - times[0] >= longest:
                times.pop()
                break
            pictures.append(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
    parts, first, rate = list[NDArray[np.int16]](), 0.0, 16_000
    with av.open(io.BytesIO(data), "r") as file:
        stream = file.streams.audio[0]
        rate = next(rate for rate in (44_100, 48_000) if rate >= min(stream.rate, 48_000))
        resampler = AudioResampler(format="s16", layout="mono", rate=rate)
        for sound in file.decode(stream):
            if not parts:
                first = float(sound.time or 0.0)
            parts += [each.to_ndarray()[0] for each in resampler.resample(sound)]
        parts += [each.to_ndarray()[0] for each in resampler.resample(None)]
    samples = np.concatenate(parts)
    late = round((first - times[0]) * rate)
    samples = np.concatenate([np.zeros(late, np.int16), samples]) if late > 0 else samples[-late:]
    seconds = min(longest, times[-1] - times[0] + 0.1)
    return Footage(pictures, [time - times[0] for time in times], samples[: round(seconds * rate)], rate)


def degraded(data: bytes, how: Degradation, longest: float) -> bytes:
    """The first ``longest`` seconds of a trusted file, made worse."""
    return degrade(read_footage(data, longest), how) if how.coded_again else remuxed(data, longest)


def remuxed(data: bytes, longest: float) -> bytes:
    """The same coded pictures and sound in a Matroska file."""
    file = io.BytesIO()
    with av.open(io.BytesIO(data), "r") as source, av.open(file, "w", format="matroska") as output:
        streams = source.streams.video[0], source.streams.audio[0]
        copies = {stream.index: output.add_stream_from_template(stream) for stream in streams}
        for packet in source.demux(*streams):
            time = packet.pts if packet.pts is not None else packet.dts
            if packet.dts is not None and time is not None and time * packet.time_base < longest:
                packet.stream = copies[packet.stream.index]
                output.mux(packet)
    return file.getvalue()


def degrade(footage: Footage, how: Degradation, seed: int = 0) -> bytes:
    """An mp4 of the footage made worse."""
    random = np.random.default_rng(seed)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        shown = _shown(footage, how.frame_rate)
        video = None
        audio = output.add_stream("aac", rate=how.sound_rate or footage.sample_rate, layout="mono")
        audio.bit_rate = SOUND_BITS
        for time, index in shown:
            picture = footage.pictures[index]
            picture = how.change(picture, random) if how.change else picture
            height, width = (side - side % 2 for side in picture.shape[:2])
            if video is None:
                video = _add_video(output, how, height, width)
            frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="rgb24")
            frame.pts, frame.time_base = round(time * TICKS), Fraction(1, TICKS)
            output.mux(video.encode(frame))
        if video is not None:
            output.mux(video.encode(None))
        for sound in _sound_frames(footage, how):
            output.mux(audio.encode(sound))
        output.mux(audio.encode(None))
    return file.getvalue()


def _shown(footage: Footage, frame_rate: Fraction | None) -> Iterator[tuple[float, int]]:
    """Times (s) and the picture shown at each: the newest one, as a slower or faster camera would have it."""
    if frame_rate is None:
        yield from zip(footage.times, range(len(footage.times)), strict=True)
        return
    times = np.array(footage.times)
    for number in range(int((times[-1] + 1e-6) * frame_rate) + 1):
        time = float(number / frame_rate)
        yield time, int(np.searchsorted(times, time + 1e-6, side="right")) - 1


def _add_video(output: OutputContainer, how: Degradation, height: int, width: int) -> VideoStream:
    options = {"preset": "veryfast", "crf": str(how.rate_factor), "threads": "1"}
    stream = output.add_stream("libx264", rate=how.frame_rate or 25, options=options)
    stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
    stream.codec_context.time_base = Fraction(1, TICKS)
    return stream


def _sound_frames(footage: Footage, how: Degradation) -> Iterator[AudioFrame]:
    resampler = AudioResampler(format="fltp", layout="mono", rate=how.sound_rate or footage.sample_rate)
    sound = np.rint(footage.sound * 10 ** (how.gain_db / 20)).astype(np.int16)
    for start in range(0, len(sound), CHUNK):
        frame = AudioFrame.from_ndarray(sound[None, start : start + CHUNK], format="s16", layout="mono")
        frame.sample_rate, frame.time_base = footage.sample_rate, Fraction(1, footage.sample_rate)
        frame.pts = start
        yield from resampler.resample(frame)
    yield from resampler.resample(None)
