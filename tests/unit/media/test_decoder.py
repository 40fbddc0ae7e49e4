"""What comes out of files of every supported kind."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from media_factory import TONE_HZ, Media, number_of
from numpy.typing import NDArray

from outofsync.constants import SAMPLE_RATE, SAMPLES_PER_FRAME
from outofsync.limits import Limits
from outofsync.media import Decoder, MediaInfo, probe
from outofsync.media.decoder import to_int16

FRAMES = 50

KINDS = [
    ("mp4", "libx264", "aac", "h264"),
    ("mp4", "libx265", "aac", "hevc"),
    ("mp4", "libsvtav1", "libopus", "av1"),
    ("mp4", "libvpx-vp9", "libmp3lame", "vp9"),
    ("mp4", "mpeg4", "alac", "mpeg4"),
    ("mov", "libx264", "pcm_s16le", "h264"),
    ("mov", "prores_ks", "pcm_s24le", "prores"),
    ("matroska", "libx264", "flac", "h264"),
    ("matroska", "libx265", "libmp3lame", "hevc"),
    ("webm", "libvpx-vp9", "vorbis", "vp9"),
    ("webm", "libsvtav1", "libopus", "av1"),
    ("avi", "mpeg4", "ac3", "mpeg4"),
    ("avi", "libx264", "pcm_s16le", "h264"),
    ("mpeg", "mpeg2video", "mp2", "mpeg2video"),
    ("mpeg", "mpeg1video", "mp2", "mpeg1video"),
    ("mpegts", "libx264", "aac", "h264"),
]


def decode(
    data: bytes, limits: Limits | None = None, max_frames: int | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.int16], MediaInfo]:
    with Decoder(data, limits or Limits(), max_frames) as decoder:
        frames = np.concatenate(list(decoder.frames()))
        return frames, decoder.audio, decoder.info


def numbers(frames: NDArray[np.uint8]) -> list[int]:
    return [number_of(frame) for frame in frames]


@pytest.mark.slow
@pytest.mark.parametrize(("container", "video", "audio", "codec"), KINDS)
def test_every_kind_gives_the_same_frames_and_tone(
    container: str, video: str, audio: str, codec: str
) -> None:
    media = Media(
        container=container,
        video=video,
        audio=audio,
        sample_rate=48_000,
        layout="stereo",
        pixel_format="yuv422p10le" if codec == "prores" else "yuv420p",
    )
    frames, sound, info = decode(media.to_bytes())
    assert numbers(frames) == list(range(FRAMES))
    assert info.container == container
    assert info.video_codec == codec
    assert len(sound) >= FRAMES * SAMPLES_PER_FRAME - SAMPLE_RATE // 50
    steady = sound[SAMPLE_RATE // 2 : SAMPLE_RATE * 3 // 2].astype(float)
    spectrum = np.abs(np.fft.rfft(steady))
    assert np.argmax(spectrum) == pytest.approx(TONE_HZ, abs=1)  # 1 Hz a bin
    assert 0.5 * 0.3 < np.abs(steady).max() / 32767 < 1.5 * 0.3


def test_probe_tells_what_was_sent() -> None:
    data = Media(rate=Fraction(30_000, 1001), frames=60, layout="stereo").to_bytes()
    info = probe(data, Limits())
    assert info == MediaInfo(
        container="mp4",
        video_codec="h264",
        audio_codec="aac",
        width=160,
        height=120,
        frame_rate=29.97,
        duration_s=info.duration_s,
        rotation=0,
        sample_rate=44_100,
        channels=2,
        bytes=len(data),
        tracks=info.tracks,
    )
    assert info.duration_s == pytest.approx(2.0, abs=0.05)
    assert info.to_dict()["video_codec"] == "h264"


def test_batches_hold_at_most_a_second() -> None:
    with Decoder(Media(frames=60).to_bytes(), Limits()) as decoder:
        assert [len(batch) for batch in decoder.frames()] == [25, 25, 10]


def test_large_pictures_travel_in_smaller_batches() -> None:
    with Decoder(Media(width=1920, height=1080, frames=12).to_bytes(), Limits()) as decoder:
        batches = [batch.shape for batch in decoder.frames()]
    assert sum(shape[0] for shape in batches) == 12
    assert max(shape[0] for shape in batches) < 12


def test_batches_stay_valid_while_later_ones_arrive() -> None:
    data = Media(frames=200, width=320, height=240).to_bytes()
    with Decoder(data, Limits()) as decoder:
        kept = list(decoder.frames())
    assert numbers(np.concatenate(kept)) == list(range(200))


def test_max_frames_stops_early_with_the_sound_that_belongs_to_them() -> None:
    data = Media(frames=100).to_bytes()
    frames, sound, _ = decode(data, max_frames=54)
    _, whole, _ = decode(data)
    assert numbers(frames) == list(range(54))
    assert len(sound) == 54 * SAMPLES_PER_FRAME
    assert np.array_equal(sound, whole[: len(sound)])


def test_max_frames_beyond_the_end_changes_nothing() -> None:
    data = Media(frames=20).to_bytes()
    frames, _, _ = decode(data, max_frames=54)
    assert len(frames) == 20


def test_sound_is_not_given_out_before_it_is_complete() -> None:
    with Decoder(Media().to_bytes(), Limits()) as decoder:
        next(decoder.frames())
        with pytest.raises(RuntimeError, match="complete"):
            _ = decoder.audio


@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_pictures_are_upright(degrees: int) -> None:
    """A player turns the picture by ``degrees``; so does the decoder."""
    data = Media(width=128, height=96, rotation=degrees).to_bytes()
    frames, _, info = decode(data)
    assert info.rotation == degrees % 360
    assert (info.width, info.height) == ((128, 96) if degrees == 180 else (96, 128))
    assert frames.shape[1:3] == (info.height, info.width)
    stored = np.rot90(frames, -degrees // 90, axes=(1, 2))
    assert numbers(stored) == list(range(FRAMES))


def test_oblong_pixels_become_square() -> None:
    frames, _, info = decode(Media(width=160, height=120, pixel_aspect=Fraction(4, 3)).to_bytes())
    assert (info.width, info.height) == (213, 120)
    assert frames.shape[1:3] == (120, 213)
    assert numbers(frames) == list(range(FRAMES))


def test_pictures_beyond_the_working_size_are_scaled_down() -> None:
    frames, _, info = decode(Media(width=640, height=320).to_bytes(), Limits(working_side_px=320))
    assert (info.width, info.height) == (640, 320)
    assert frames.shape[1:3] == (160, 320)
    assert numbers(frames) == list(range(FRAMES))


def test_odd_widths_and_ten_bits() -> None:
    media = Media(container="matroska", video="libx265", width=166, height=122, pixel_format="yuv420p10le")
    frames, _, _ = decode(media.to_bytes())
    assert numbers(frames) == list(range(FRAMES))


def test_the_same_file_gives_the_same_bits() -> None:
    data = Media(layout="stereo").to_bytes()
    first, second = decode(data), decode(data)
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])


def test_samples_are_rounded_ties_down_and_clipped() -> None:
    values = np.array([0.0, 837.5, 837.51, -2.5, 40_000, -40_000, np.nan]) / 32768
    assert to_int16(values.astype(np.float32)).tolist() == [0, 837, 838, -3, 32767, -32768, 0]
