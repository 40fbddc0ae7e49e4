"""Every kind of file that is refused, and the code it is refused with."""

from __future__ import annotations

import io
import struct

import av
import numpy as np
import pytest
from media_factory import Media

from outofsync.errors import ErrorCode, OutOfSyncError
from outofsync.limits import Limits
from outofsync.media import Decoder, probe
from outofsync.media.containers import recognise

pytestmark = pytest.mark.slow  # every case codes and decodes a video


def refusal(data: bytes, limits: Limits | None = None) -> OutOfSyncError:
    with pytest.raises(OutOfSyncError) as caught, Decoder(data, limits or Limits()) as decoder:
        for _ in decoder.frames():
            pass
    return caught.value


def with_cover_art() -> bytes:
    """A sound file whose only picture is attached."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        video = output.add_stream("mjpeg", rate=1)
        video.width, video.height, video.pix_fmt = 64, 64, "yuvj420p"
        video.disposition = av.stream.Disposition.attached_pic
        audio = output.add_stream("aac", rate=16_000, layout="mono")
        picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        output.mux(video.encode(picture))
        output.mux(video.encode(None))
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.int16), format="s16p", layout="mono")
        sound.sample_rate = 16_000
        output.mux(audio.encode(sound))
        output.mux(audio.encode(None))
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"hello, this is text\n" * 50,
        np.random.default_rng(0).bytes(4096),
        b"\0" * 4096,
        b"G",
        b"RIFF\0\0\0\0WAVEfmt ",
        b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
        b'<?xml version="1.0"?><MPD><BaseURL>http://localhost/</BaseURL></MPD>',
    ],
)
def test_what_is_no_video_file_is_unsupported(data: bytes) -> None:
    assert refusal(data).code is ErrorCode.UNSUPPORTED_MEDIA


def test_nothing_at_all_is_empty() -> None:
    assert refusal(b"").code is ErrorCode.EMPTY_FILE


def test_more_bytes_than_allowed() -> None:
    error = refusal(Media(frames=10).to_bytes(), Limits(request_bytes=1000))
    assert error.code is ErrorCode.TOO_LARGE


def test_sound_alone() -> None:
    assert refusal(Media(video=None, seconds=2).to_bytes()).code is ErrorCode.NO_VIDEO


def test_cover_art_is_no_video() -> None:
    assert refusal(with_cover_art()).code is ErrorCode.NO_VIDEO


def test_pictures_alone() -> None:
    assert refusal(Media(audio=None).to_bytes()).code is ErrorCode.NO_AUDIO


def test_a_codec_that_is_not_read() -> None:
    error = refusal(Media(container="matroska", video="ffv1").to_bytes())
    assert error.code is ErrorCode.UNSUPPORTED_MEDIA
    assert error.message.startswith("Track 0, the picture, is coded with ffv1")
    assert "ffmpeg -i INPUT -c:v libx264 -c:a copy" in error.hint


@pytest.mark.parametrize("frames", [1, 3, 5])
def test_fewer_frames_than_can_be_scored(frames: int) -> None:
    assert refusal(Media(frames=frames, seconds=2).to_bytes()).code is ErrorCode.TOO_SHORT


def test_the_fewest_frames_that_can_be_scored() -> None:
    with Decoder(Media(frames=6, seconds=1).to_bytes(), Limits()) as decoder:
        assert sum(len(batch) for batch in decoder.frames()) == 6


def test_too_little_sound_is_too_short() -> None:
    data = Media(container="mov", audio="pcm_s16le", frames=50, seconds=0.2).to_bytes()
    assert refusal(data).code is ErrorCode.TOO_SHORT


def test_longer_than_allowed_by_the_header() -> None:
    with pytest.raises(OutOfSyncError) as caught:
        probe(Media(frames=75).to_bytes(), Limits(duration_s=2))
    assert caught.value.code is ErrorCode.TOO_LONG


def test_longer_than_the_header_says() -> None:
    """The declared duration of a Matroska file is a double after the bytes 44 89 88."""
    data = bytearray(Media(container="matroska", frames=100).to_bytes())
    at = data.index(b"\x44\x89\x88") + 3
    data[at : at + 8] = struct.pack(">d", 1000.0)
    assert probe(bytes(data), Limits()).duration_s == pytest.approx(4.0, abs=0.1)
    with pytest.raises(OutOfSyncError) as caught:
        probe(bytes(data), Limits(duration_s=2))
    assert caught.value.code is ErrorCode.TOO_LONG


def test_too_many_pixels() -> None:
    data = Media(width=512, height=64).to_bytes()
    assert refusal(data, Limits(side_px=511)).code is ErrorCode.TOO_MANY_PIXELS
    assert probe(data, Limits(side_px=512)).width == 512


def test_more_frames_a_second_than_allowed() -> None:
    error = refusal(Media(rate=480, frames=240).to_bytes())
    assert error.code is ErrorCode.UNSUPPORTED_MEDIA
    assert "480 frames/s" in error.message
    assert "ffmpeg -i INPUT -r 25" in error.hint


def test_a_file_cut_off_says_how_much_plays() -> None:
    data = Media(container="matroska", frames=100).to_bytes()
    error = refusal(data[: len(data) // 2])
    assert error.code is ErrorCode.CORRUPT_MEDIA
    assert "of its 4.0 seconds" in error.message


def test_an_mp4_without_its_index_is_damaged() -> None:
    data = Media().to_bytes()
    assert refusal(data[: data.index(b"moov") - 4]).code is ErrorCode.CORRUPT_MEDIA


@pytest.mark.parametrize(
    ("container", "demuxer"),
    [
        ("mp4", "mov"),
        ("mov", "mov"),
        ("matroska", "matroska"),
        ("webm", "matroska"),
        ("avi", "avi"),
        ("mpeg", "mpeg"),
        ("mpegts", "mpegts"),
    ],
)
def test_containers_are_recognised_by_their_first_bytes(container: str, demuxer: str) -> None:
    codecs = ("libvpx-vp9", "libopus") if container == "webm" else ("mpeg2video", "mp2")
    data = Media(container=container, video=codecs[0], audio=codecs[1], sample_rate=48_000).to_bytes()
    kind = recognise(data[:1024])
    assert (kind.name, kind.demuxer) == (container, demuxer)
