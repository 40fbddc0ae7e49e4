"""Speech is heard wherever among a file's channels it lies."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
from media_factory import Media, tone
from numpy.typing import NDArray

from outofsync.constants import SAMPLE_RATE
from outofsync.limits import Limits
from outofsync.media import Decoder

pytestmark = pytest.mark.slow  # every case codes and decodes a video

SECONDS = 2
RATE = 48_000
VOICE = tone(np.arange(SECONDS * RATE) / RATE)
NOISE = 0.1 * np.random.default_rng(3).standard_normal(len(VOICE))
NOTHING = np.zeros_like(VOICE)


def with_channels(channels: list[NDArray[np.float64]], layout: str, kind: str) -> bytes:
    """Two seconds of pictures with these channels, as ``kind`` of sample."""
    source = av.open(io.BytesIO(Media(audio=None, frames=SECONDS * 25).to_bytes()), "r")
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as output:
        video = output.add_stream_from_template(source.streams.video[0])
        sound = output.add_stream("pcm_f32le" if kind == "flt" else "pcm_s16le", rate=RATE, layout=layout)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = video
                output.mux(packet)
        together = np.ascontiguousarray(np.stack(channels, axis=1).reshape(1, -1), np.float32)
        if kind == "s16":
            together = np.round(together * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(together, format=kind, layout=layout)
        frame.sample_rate, frame.pts = RATE, 0
        output.mux(sound.encode(frame))
        output.mux(sound.encode(None))
    return file.getvalue()


def voice_share(data: bytes) -> tuple[float, float]:
    """Power of the voice's note as a share of all that is heard, and how loud that is (of 1)."""
    with Decoder(data, Limits()) as decoder:
        for _ in decoder.frames():
            pass
        heard = decoder.audio[: SECONDS * SAMPLE_RATE] / 32768
    power = np.abs(np.fft.rfft(heard)) ** 2
    at = round(440 * SECONDS)
    return float(power[at - 2 : at + 3].sum() / power.sum()), float(np.sqrt(np.mean(heard**2)))


@pytest.mark.parametrize("kind", ["flt", "s16"])
@pytest.mark.parametrize(
    ("channels", "layout"),
    [
        ([VOICE, VOICE], "stereo"),
        ([VOICE, -VOICE], "stereo"),
        ([VOICE, NOTHING], "stereo"),
        ([NOTHING, VOICE], "stereo"),
        ([NOTHING, NOTHING, VOICE, NOTHING, NOTHING], "5.0"),
        ([NOISE, NOISE[::-1], VOICE, NOTHING, NOISE, NOISE[::-1]], "5.1"),
        ([NOISE, NOISE[::-1], VOICE, NOTHING, NOISE, NOISE[::-1], NOTHING, NOTHING], "7.1"),
        ([VOICE, VOICE, NOTHING, NOTHING, NOTHING, NOTHING], "5.1"),
    ],
)
def test_the_voice_is_heard(channels: list[NDArray[np.float64]], layout: str, kind: str) -> None:
    share, loud = voice_share(with_channels(channels, layout, kind))
    assert share > 0.95
    assert loud > 0.05


def test_two_voices_are_both_heard() -> None:
    """One channel is taken only where the other cancels it."""
    other = 0.2 * np.sin(2 * np.pi * 300 * np.arange(len(VOICE)) / RATE)
    share, _ = voice_share(with_channels([VOICE, other], "stereo", "s16"))
    assert 0.5 < share < 0.9


def test_forty_decibels_down_is_still_sound() -> None:
    _, loud = voice_share(with_channels([VOICE / 100], "mono", "flt"))
    assert loud == pytest.approx(float(np.std(VOICE)) / 100, rel=0.05)
