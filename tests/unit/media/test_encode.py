"""Videos written again with new pictures."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from media_factory import Media, click, draw, number_of
from numpy.typing import NDArray

from outofsync.constants import SAMPLE_RATE
from outofsync.errors import ErrorCode, OutOfSyncError
from outofsync.limits import Limits
from outofsync.media import Decoder
from outofsync.media.encode import encode_video


def pictures(count: int, width: int = 160, height: int = 120) -> Iterator[NDArray[np.uint8]]:
    """Numbered from 500 on, in batches of 7."""
    for start in range(0, count, 7):
        yield np.stack([draw(500 + index, width, height) for index in range(start, min(start + 7, count))])


def decode(data: bytes) -> tuple[NDArray[np.uint8], NDArray[np.int16], str]:
    with Decoder(data, Limits()) as decoder:
        frames = np.concatenate(list(decoder.frames()))
        return frames, decoder.audio, decoder.info.audio_codec


def click_time(sound: NDArray[np.int16]) -> float:
    return float(np.argmax(np.abs(sound.astype(int)) > 4000)) / SAMPLE_RATE


@pytest.mark.parametrize("video_start", [0.0, 0.48])
@pytest.mark.parametrize(
    ("container", "audio", "kept"),
    [
        ("mp4", "aac", "aac"),
        ("mp4", "libopus", "opus"),
        ("matroska", "libmp3lame", "mp3"),
        ("matroska", "flac", "flac"),
        ("mpegts", "aac", "aac"),
        ("mov", "pcm_s16le", "aac"),
        ("matroska", "vorbis", "aac"),
    ],
)
def test_new_pictures_with_the_old_sound(container: str, audio: str, kept: str, video_start: float) -> None:
    """Sound that mp4 holds is copied, other sound becomes AAC; the click stays where it was."""
    source = Media(
        container=container,
        audio=audio,
        sample_rate=48_000,
        layout="stereo",
        video_start=video_start,
        sound=click(1.2),
        seconds=2 + video_start,
    ).to_bytes()
    frames, sound, codec = decode(encode_video(source, pictures(50)))
    assert [number_of(frame) for frame in frames] == list(range(500, 550))
    assert codec == kept
    assert click_time(sound) == pytest.approx(1.2 - video_start, abs=0.002)


def test_colours_survive() -> None:
    colour = np.full((10, 64, 64, 3), (200, 40, 90), np.uint8)
    frames, _, _ = decode(encode_video(Media(frames=10).to_bytes(), [colour]))
    assert np.abs(frames.astype(int) - colour).max() <= 4


def test_an_odd_row_and_column_are_cut_off() -> None:
    frames, _, _ = decode(encode_video(Media().to_bytes(), pictures(50, 161, 121)))
    assert frames.shape[1:3] == (120, 160)
    assert [number_of(frame) for frame in frames] == list(range(500, 550))


def test_frames_may_come_from_a_decoder_of_the_same_file() -> None:
    source = Media(frames=60).to_bytes()
    with Decoder(source, Limits()) as decoder:
        frames, _, _ = decode(encode_video(source, decoder.frames()))
    assert [number_of(frame) for frame in frames] == list(range(60))


def test_no_frames() -> None:
    with pytest.raises(OutOfSyncError) as caught:
        encode_video(Media().to_bytes(), [])
    assert caught.value.code is ErrorCode.TOO_SHORT


def test_a_damaged_source_is_the_callers_error() -> None:
    with pytest.raises(OutOfSyncError) as caught:
        encode_video(Media().to_bytes()[:600], pictures(50))
    assert caught.value.code is ErrorCode.CORRUPT_MEDIA


def test_an_error_of_whoever_makes_the_frames_passes_through() -> None:
    def failing() -> Iterator[NDArray[np.uint8]]:
        yield from pictures(7)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        encode_video(Media().to_bytes(), failing())
