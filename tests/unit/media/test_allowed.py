"""FFmpeg uses what is on the list, whatever it is told to open."""

from __future__ import annotations

import os

import av
import pytest
from media_factory import Media

from outofsync.media.containers import ALLOWED

WAV = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\0\0\0\0"


def opened(data: bytes, url: str = "fd:", **options: str) -> list[str]:
    """Codecs that FFmpeg finds with the list's options, where a descriptor holds these bytes."""
    descriptor = os.memfd_create("allowed")
    try:
        os.write(descriptor, data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        given = {"fd": str(descriptor)} if url == "fd:" else {}
        with av.open(url, "r", container_options={**ALLOWED, **given, **options}) as container:
            return [stream.codec_context.name for stream in container.streams if stream.codec_context]
    finally:
        os.close(descriptor)


def test_what_is_allowed_is_opened() -> None:
    assert opened(Media(frames=5).to_bytes()) == ["h264", "aac"]


def test_other_demuxers_are_not_used() -> None:
    with pytest.raises(av.FFmpegError):
        opened(WAV)


@pytest.mark.parametrize(
    "url", ["file:/etc/hostname", "/etc/hostname", "http://127.0.0.1:9/", "concat:/etc/hostname"]
)
def test_other_protocols_are_not_used(url: str) -> None:
    with pytest.raises(av.FFmpegError):
        opened(b"", url)
