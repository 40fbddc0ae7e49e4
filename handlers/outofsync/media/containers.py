"""Which containers and codecs are read, and how a file is recognised.

FFmpeg knows hundreds of formats; some are playlists that name other files or addresses. A file is therefore
matched to one of five demuxers by its first bytes, here, and FFmpeg is told which one to use: it never
guesses.
"""

from __future__ import annotations

from dataclasses import dataclass

from outofsync.errors import ErrorCode, OutOfSyncError, Stage
from outofsync.limits import Limits

ISO_BOXES = (b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
EBML = b"\x1aE\xdf\xa3"
MPEG_PACK = b"\x00\x00\x01\xba"
TS_SYNC = 0x47
TS_LAYOUTS = ((0, 188), (4, 192))  # first sync byte and packet size: broadcast, Blu-ray

VIDEO_CODECS = frozenset(
    {"h264", "hevc", "vp8", "vp9", "av1", "libdav1d", "mpeg4", "mpeg1video", "mpeg2video", "mjpeg", "prores"}
)
AUDIO_CODECS = frozenset(
    {"aac", "ac3", "alac", "eac3", "flac", "mp2", "mp2float", "mp3", "mp3float", "opus", "libopus", "vorbis"}
    | {"pcm_alaw", "pcm_mulaw", "pcm_u8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be"}
    | {"pcm_s32le", "pcm_s32be", "pcm_f32le", "pcm_f32be"}
)


@dataclass(frozen=True, slots=True)
class Container:
    """A recognised container and the FFmpeg demuxer that reads it."""

    name: str
    demuxer: str


def check_file(data: bytes | bytearray, limits: Limits) -> Container:
    """Recognise a file without parsing it; raises ``empty_file``, ``too_large`` or ``unsupported_media``."""
    if not data:
        raise OutOfSyncError(ErrorCode.EMPTY_FILE, "The file is empty.", stage=Stage.PROBE)
    if len(data) > limits.request_bytes:
        raise OutOfSyncError(
            ErrorCode.TOO_LARGE,
            f"The file has {len(data) / 1e6:.1f} MB; {limits.request_bytes / 1e6:g} MB are allowed.",
            stage=Stage.PROBE,
        )
    return recognise(data)


def recognise(data: bytes | bytearray) -> Container:
    """The container that these first bytes announce; raises ``unsupported_media``."""
    if data[4:8] in ISO_BOXES:
        return Container("mov" if data[8:12] == b"qt  " else "mp4", "mov")
    if data.startswith(EBML):
        return Container("webm" if b"webm" in data[:64] else "matroska", "matroska")
    if data.startswith(b"RIFF") and data[8:11] == b"AVI":
        return Container("avi", "avi")
    if data.startswith(MPEG_PACK):
        return Container("mpeg", "mpeg")
    for first, step in TS_LAYOUTS:
        syncs = data[first : first + 3 * step : step]
        if len(syncs) == 3 and set(syncs) == {TS_SYNC}:
            return Container("mpegts", "mpegts")
    raise OutOfSyncError(
        ErrorCode.UNSUPPORTED_MEDIA,
        "This is not a video file that can be read here.",
        stage=Stage.PROBE,
    )
