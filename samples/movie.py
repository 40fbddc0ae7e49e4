"""Writing clips as MP4: H.264 and AAC."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from numpy.typing import NDArray

from samples.articulation.mouth_track import FRAMES_PER_SECOND
from samples.speech.phoneme import SAMPLE_RATE


def write_movie(
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    sound: NDArray[np.int16],
    *,
    quality: int = 20,
    size: int = 256,
) -> None:
    """Write `frames`, each (size, size, 3) RGB, and mono `sound` (samples,) as one MP4 file.

    Args:
        path: Where to; a file there is replaced.
        frames: At 25 a second.
        sound: At 16 kHz, beginning with the first frame.
        quality: Constant rate factor of x264; lower is better and larger.
        size: Width and height of the frames.
    """
    with _created(path) as container:
        video = container.add_stream("libx264", rate=FRAMES_PER_SECOND)
        video.width = video.height = size
        video.pix_fmt = "yuv420p"
        video.options = {"crf": str(quality), "preset": "fast", "threads": "1"}
        audio = _sound_stream(container)
        for picture in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode(None))
        _mux_sound(container, audio, sound)


def write_dubbed(path: Path, original: Path, sound: NDArray[np.int16]) -> None:
    """Write the picture of `original`, untouched, with another `sound` as in `write_movie`."""
    with av.open(str(original)) as source, _created(path) as container:
        video = container.add_stream_from_template(source.streams.video[0])
        audio = _sound_stream(container)
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                container.mux(packet)
        _mux_sound(container, audio, sound)


def _created(path: Path) -> OutputContainer:
    return av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})


def _sound_stream(container: OutputContainer) -> AudioStream:
    stream = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
    stream.bit_rate = 64_000
    return stream


def _mux_sound(container: OutputContainer, stream: AudioStream, sound: NDArray[np.int16]) -> None:
    heard = av.AudioFrame.from_ndarray(sound[None], format="s16", layout="mono")
    heard.sample_rate, heard.time_base, heard.pts = SAMPLE_RATE, Fraction(1, SAMPLE_RATE), 0
    container.mux(stream.encode(heard))
    container.mux(stream.encode(None))
