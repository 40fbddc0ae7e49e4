"""The table of all malformed and unusual files: kind, name, how each is made, and what has to come of it.

What has to come of a file is one of a few words: ``read``, or an error code. Several stand where what is read
of a damaged file depends on how far FFmpeg of the day goes with it; each of them is right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

from samples.malformed import bombs, strangers, unusual
from samples.malformed.boxes import cut_at_every_box, index_first
from samples.malformed.footage import Footage, Writing
from samples.malformed.headers import HARMFUL, HARMLESS, INDEX_BOXES, MP4, avi_without_index, lacking
from samples.malformed.matroska import Matroska, attached, chapter, element, size_of

READ = "read"
CORRUPT, UNSUPPORTED, LONG = "corrupt_media", "unsupported_media", "too_long"
PIXELS, SHORT = "too_many_pixels", "too_short"
NO_VIDEO, NO_AUDIO, EMPTY = "no_video", "no_audio", "empty_file"
SECONDS, SIDE = 1.2, 96  # of the footage, where no face has to be found

Make = Callable[[Footage], bytes]


@dataclass(frozen=True)
class File:
    """One file; ``expected`` are the answers that are right, and ``costly`` ones take seconds."""

    kind: str
    name: str
    make: Make
    expected: frozenset[str]
    costly: bool = False


def _files(
    kind: str,
    makes: Mapping[str, Make],
    *expected: str,
    otherwise: Mapping[str, tuple[str, ...]] | None = None,
) -> Iterator[File]:
    """A file for each; ``otherwise`` names those of which something else has to come."""
    for name, make in makes.items():
        yield File(kind, name, make, frozenset((otherwise or {}).get(name, expected)))


def _given(data: bytes, footage: Footage) -> bytes:  # noqa: ARG001  # whatever the footage
    return data


SCALES: dict[str, Make] = {
    "nothing wide": unusual.declared_size(0, 0),
    "declared 16,384 px": unusual.declared_size(16_384, 16_384),
    "declared 65,535 px": unusual.declared_size(65_535, 65_535),
    "2 px": unusual.of_size(2, 2),
    "as long as is allowed": unusual.of_size(16, 4096),
    "16,384 px": unusual.of_size(16_384, 16),
    "Matroska, nothing wide": Matroska(width=0, height=0),
    "Matroska, declared 16,384 px": Matroska(width=16_384, height=16_384),
    "Matroska, more than 32 bits": Matroska(width=1 << 32, height=1 << 32),
}
TIMES: dict[str, Make] = {
    "the longest": Matroska(duration_ms=1e300),
    "no number": Matroska(duration_ms=float("nan")),
    "negative": Matroska(duration_ms=-5.0),
    "at the end of time": Matroska(first_ms=1 << 62),
    "before zero": Matroska(first_ms=-5000),
    "back and forth": Matroska(steps_ms=(0, 500_000, -300)),
    "backwards": Matroska(steps_ms=(0, -400, -800)),
    "one frame an hour": bombs.hours_of_one_picture,
    "1,000 frames a second": Writing(rate=Fraction(1000)),
}
SIZES: dict[str, Make] = {
    "segment longer than the file": Matroska(segment_size=size_of((1 << 56) - 2)),
    "segment shorter than its contents": Matroska(segment_size=size_of(100)),
    "clusters longer than the file": Matroska(cluster_size=size_of((1 << 56) - 2)),
    "clusters of nothing": Matroska(cluster_size=size_of(0)),
    "filling longer than the file": Matroska(extra=[element(0xEC, b"x", size=size_of(1 << 50))]),
    "pictures of no track": Matroska(block_track=9),
    "a document of another kind": Matroska(documents="x" * 100),
}
SOUND: dict[str, Make] = {
    "no numbers": unusual.with_numbers(float("nan")),
    "infinite": unusual.with_numbers(float("inf")),
    "louder than numbers go": unusual.with_numbers(3e38),
    "no samples a second": Matroska(rate=0.0),
    "a rate that is no number": Matroska(rate=float("nan")),
    "the highest rate": Matroska(rate=1e300),
    "no channels": Matroska(channels=0),
    "200 channels": Matroska(channels=200),
    "eight channels at 192 kHz": bombs.many_channels,
}
CHANGES: dict[str, Make] = {
    "of size": unusual.changing_size,
    "of size beyond what is allowed": unusual.growing_beyond,
    "of rate": unusual.changing_rate,
    "of channels": unusual.changing_channels,
    "of codec, picture": unusual.pictures_of_another_codec,
    "of codec, sound": unusual.sound_of_another_codec,
}
BOMBS: dict[str, Make] = {
    "compressed pictures": Matroska(packed=True, bomb_bytes=16 * bombs.MIB),
    "compressed index, two gigabytes by its word": partial(bombs.compressed_index, 0x7FFFFFFF, bombs.MIB),
    "compressed index": partial(bombs.compressed_index, 16 * bombs.MIB, 16 * bombs.MIB),
    "one sample four thousand million times": bombs.repeated_sound,
}
COSTLY = {
    "hours of silence": (bombs.hours_of_silence, (LONG,)),
    "black, 4,096 px": (bombs.large_pictures, (READ,)),
}
ATTACHED: dict[str, Make] = {
    "a script": Matroska(extra=[attached("../../escape.sh", "application/x-sh", b"#!/bin/sh\nexit 1\n")]),
    "a font": Matroska(extra=[attached("x.ttf", "font/ttf", bytes(10_000))]),
    "chapters of another file": Matroska(extra=[chapter("elsewhere", bytes(range(16)))]),
    "a thousand chapters": Matroska(extra=[chapter(strangers.SCRIPT)] * 1000),
    "a hundred tracks": unusual.a_hundred_tracks,
}
TEXTS: dict[str, Make] = {
    "scripts in metadata": strangers.with_metadata(strangers.SCRIPT),
    "codes for terminals in metadata": strangers.with_metadata(strangers.ESCAPES),
    "a megabyte of metadata": strangers.with_metadata("x" * 1_000_000),
    "scripts in subtitles": strangers.subtitled,
    "an archive at the end": strangers.also_a_zip,
    "a page in a box": strangers.also_a_page,
}
ELSEWHERE: dict[str, Make] = {
    "samples at an address": strangers.elsewhere,
    "samples in a file of the machine": strangers.in_another_file,
}
PLAYLISTS: dict[str, Make] = {name: partial(_given, data) for name, data in strangers.PLAYLISTS.items()}
LACKING: dict[str, Make] = {
    f"{kind.decode()}, number {number + 1}": lacking(kind, number) for kind, number in INDEX_BOXES
} | {"AVI's index": avi_without_index}

CORPUS: tuple[File, ...] = (
    *_files("lying header", HARMLESS, READ),
    *_files(
        "lying header",
        HARMFUL,
        CORRUPT,
        otherwise={
            "clock of the picture, fastest": (UNSUPPORTED,),
            "step of times, the largest": (UNSUPPORTED,),
            "step of times, the largest signed": (LONG,),
        },
    ),
    *_files(
        "missing index",
        LACKING,
        READ,
        otherwise={
            "ftyp, number 1": (UNSUPPORTED,),
            "moov, number 1": (CORRUPT,),
            "mvhd, number 1": (CORRUPT,),
            "stsz, number 1": (CORRUPT,),
            "stco, number 1": (CORRUPT,),
            "stsc, number 1": (CORRUPT,),
            "trak, number 1": (NO_VIDEO,),
            "trak, number 2": (NO_AUDIO,),
            "stbl, number 1": (UNSUPPORTED,),
            "stbl, number 2": (UNSUPPORTED,),
            "stsd, number 1": (UNSUPPORTED,),
            "stts, number 1": (UNSUPPORTED,),
        },
    ),
    *_files(
        "lying size",
        SIZES,
        READ,
        otherwise={"clusters of nothing": (CORRUPT,), "pictures of no track": (CORRUPT,)},
    ),
    *_files("size of the picture", SCALES, READ, otherwise={"16,384 px": (PIXELS,)}),
    *_files(
        "time",
        TIMES,
        CORRUPT,
        otherwise={
            "negative": (READ,),
            "back and forth": (READ,),
            "one frame an hour": (LONG,),
            "1,000 frames a second": (UNSUPPORTED,),
        },
    ),
    *_files(
        "sound",
        SOUND,
        READ,
        otherwise={
            "no samples a second": (UNSUPPORTED,),
            "no channels": (NO_AUDIO,),
            "200 channels": (UNSUPPORTED,),
        },
    ),
    *_files(
        "changes midway",
        CHANGES,
        READ,
        otherwise={"of size beyond what is allowed": (PIXELS,), "of codec, picture": (CORRUPT,)},
    ),
    *_files(
        "bomb",
        BOMBS,
        CORRUPT,
        otherwise={
            "compressed pictures": (READ,),
            "compressed index": (NO_VIDEO,),
            "one sample four thousand million times": (NO_AUDIO,),
        },
    ),
    *(
        File("bomb", name, make, frozenset(expected), costly=True)
        for name, (make, expected) in COSTLY.items()
    ),
    *_files("attached", ATTACHED, READ),
    *_files("texts", TEXTS, READ),
    *_files("elsewhere", ELSEWHERE, CORRUPT, otherwise={"samples at an address": (UNSUPPORTED,)}),
    *_files("playlist", PLAYLISTS, UNSUPPORTED),
    *_files("two things at once", strangers.POLYGLOTS, UNSUPPORTED),
    *_files("encrypted", {"CENC": strangers.ENCRYPTED}, UNSUPPORTED),
    *_files("unusual", unusual.HONEST, READ),
)


def truncated(footage: Footage) -> Iterator[File]:
    """An mp4 cut off at every box, its index first or last; which boxes there are, its muxer decides."""
    for how, data in (("last", MP4(footage)), ("first", index_first(MP4(footage)))):
        for where, cut in cut_at_every_box(data).items():
            expected = frozenset({READ, CORRUPT, UNSUPPORTED, EMPTY, NO_VIDEO, NO_AUDIO})
            yield File("cut off", f"{where}, index {how}", partial(_given, cut), expected)
