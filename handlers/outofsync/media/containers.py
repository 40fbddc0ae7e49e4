"""Which containers, codecs and protocols are allowed, and how a file is recognised.

FFmpeg knows hundreds of formats; some are playlists that name other files or addresses. A file is therefore
matched to one of five demuxers by its first bytes, here, and FFmpeg is told which one to use: it never
guesses.
"""

from __future__ import annotations

from dataclasses import dataclass

from outofsync.errors import ErrorCode, OutOfSyncError, Stage
from outofsync.limits import Limits
from outofsync.media.mistaken import mistaken_for

ISO_BOXES = (b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
EBML = b"\x1aE\xdf\xa3"
MPEG_PACK = b"\x00\x00\x01\xba"
TS_SYNC = 0x47
TS_PACKETS = (188, 192, 204)  # bytes: broadcast, Blu-ray, with error correction
TS_SYNCS = 5  # sync bytes in a row, wherever a recording begins, are no chance

# What cameras, phones, recorders and broadcasters write, by decoders that are fuzzed day and night upstream.
VIDEO_CODECS = frozenset(
    {"h264", "hevc", "vp8", "vp9", "av1", "libdav1d", "mpeg4", "mpeg1video", "mpeg2video", "mjpeg", "prores"}
    | {"h263", "msmpeg4v1", "msmpeg4v2", "msmpeg4", "dvvideo"}
)
AUDIO_CODECS = frozenset(
    {"aac", "ac3", "alac", "eac3", "flac", "mp2", "mp2float", "mp3", "mp3float", "opus", "libopus", "vorbis"}
    | {"pcm_alaw", "pcm_mulaw", "pcm_u8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be"}
    | {"pcm_s32le", "pcm_s32be", "pcm_f32le", "pcm_f32be", "pcm_bluray", "pcm_dvd"}
    | {"aac_latm", "amrnb", "amrwb", "dca", "mlp", "truehd"}
    | {"adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt"}
)
# FFmpeg's own lists: what it may use, whatever a file asks it for. Each demuxer stands under all its names.
DEMUXERS = ("mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "avi", "mpeg", "mpegts")
PROTOCOLS = ("fd",)  # a descriptor that is open already
ALLOWED = {
    "format_whitelist": ",".join(DEMUXERS),
    "codec_whitelist": ",".join(sorted(VIDEO_CODECS | AUDIO_CODECS)),
    "protocol_whitelist": ",".join(PROTOCOLS),
}


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
    if transport_packets(data) is not None:
        return Container("mpegts", "mpegts")
    what, hint = mistaken_for(data) or ("not a video file that can be read here", None)
    raise OutOfSyncError(ErrorCode.UNSUPPORTED_MEDIA, f"This is {what}.", stage=Stage.PROBE, hint=hint)


def transport_packets(data: bytes | bytearray) -> tuple[int, int] | None:
    """Where the first whole packet of a transport stream begins, and how long each is; None for others."""
    for step in TS_PACKETS:
        for first in range(min(step, len(data))):
            if data[first] == TS_SYNC:
                syncs = data[first : first + TS_SYNCS * step : step]
                if syncs == bytes([TS_SYNC]) * TS_SYNCS:
                    return first, step
    return None
