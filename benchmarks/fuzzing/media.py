"""Mutated videos through the decoder: of every container and codec that is read, short and small."""

from __future__ import annotations

from collections import Counter
from functools import cache

from benchmarks.fuzzing.mutation import Mutator
from outofsync.errors import DecoderDiedError, DecoderEnd, ErrorCode, OutOfSyncError
from outofsync.limits import Limits
from outofsync.media import Decoder
from samples.malformed.corpus import CORPUS
from samples.malformed.footage import Footage, Writing
from samples.malformed.matroska import Matroska

SECONDS, SIDE = 0.8, 96  # a smaller side, and x265 writes where it must not
WALL_S = 20.0
# Mutated files run long where headers lie; no more is decoded than shows whether the decoder stands it.
LIMITS = Limits(decode_wall_s=WALL_S, duration_s=60.0, side_px=2048)
GENERIC = "that it does not understand"
WRITINGS = (
    Writing(),
    Writing(container_options={"movflags": "+frag_keyframe+empty_moov"}),
    Writing(container="mov", video="prores_ks", audio="pcm_s16le", pixel_format="yuv422p10le"),
    Writing(container="mov", video="mjpeg", audio="alac", pixel_format="yuvj420p"),
    Writing(container="matroska", video="libx265", audio="flac"),
    Writing(container="matroska", video="mpeg4", audio="ac3", sample_rate=48_000),
    Writing(container="webm", video="libvpx-vp9", audio="libopus", sample_rate=48_000),
    Writing(container="webm", video="libvpx", audio="libopus", sample_rate=48_000),
    Writing(container="avi", video="mpeg4", audio="libmp3lame"),
    Writing(container="avi", video="mjpeg", audio="adpcm_ms", pixel_format="yuvj420p"),
    Writing(container="mpeg", video="mpeg2video", audio="mp2", sample_rate=48_000),
    Writing(container="mpeg", video="mpeg1video", audio="mp2", sample_rate=48_000),
    Writing(container="mpegts", sample_rate=48_000),
    Writing(container="mpegts", video="mpeg2video", audio="eac3", sample_rate=48_000),
)
TOKENS = (
    b"moov",
    b"trak",
    b"stsd",
    b"edts",
    b"\x1f\x43\xb6\x75",
    b"\xa3",
    b"LIST",
    b"\0\0\1\xb3",
    b"\0\0\1\x67",
    b"G@",
)


@cache
def seeds() -> tuple[bytes, ...]:
    footage = Footage.read(SECONDS, SIDE)
    unusual = [
        file.make(footage) for file in CORPUS if file.kind in ("unusual", "attached") and not file.costly
    ]
    whole = [how(footage) for how in WRITINGS]
    return (*whole, Matroska()(footage), Matroska(packed=True)(footage), *unusual)


def mutated(seed: int) -> Mutator:
    return Mutator(seeds(), TOKENS, seed)


def problem(data: bytes, outcomes: Counter[str] | None = None) -> str:
    """What is wrong about how a file is decoded, if anything; ``outcomes`` counts what came of it."""
    said, wrong = "read", ""
    try:
        with Decoder(data, LIMITS) as decoder:
            for _ in decoder.frames():
                pass
    except DecoderDiedError as error:
        said = error.how.value
        # A time-out is the limit at work; a crash harms nobody either, and is a fault of FFmpeg to be known.
        wrong = "" if error.how is DecoderEnd.TIMEOUT else f"{error.how}: {error.message}"
    except OutOfSyncError as error:
        said = error.code.value
        if error.code is ErrorCode.INTERNAL or GENERIC in error.message:
            wrong = f"{error.code}: {error.message}"
    except Exception as error:
        said = wrong = f"{type(error).__name__}: {error}"
    if outcomes is not None:
        outcomes[said] += 1
    return wrong
