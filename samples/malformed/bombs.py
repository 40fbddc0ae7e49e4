"""Small files that become large: hours in kilobytes, pictures of gigabytes, compressed containers."""

from __future__ import annotations

import struct
import zlib
from fractions import Fraction

import numpy as np

from samples.malformed.boxes import box, find
from samples.malformed.footage import SAMPLE_RATE, Footage, Writing
from samples.malformed.headers import MP4

HOURS = 3
LARGE_SIDE = 4096  # px, as large as is allowed
MIB = 1 << 20
FEW = 8  # pictures, a little more than are needed to judge
ONE_A_MINUTE = Fraction(1, 60)


def hours_of_silence(footage: Footage) -> bytes:
    """A picture a minute for hours, with sound that is coded in next to nothing."""
    silence = np.zeros(HOURS * 3600 * 8000, np.float32)
    still = Footage((footage.pictures[0],) * (HOURS * 60), silence)
    how = Writing(container="matroska", audio="flac", sample_rate=8000, rate=ONE_A_MINUTE)
    return how(still)


def hours_of_one_picture(footage: Footage) -> bytes:
    """Pictures whose times lie as far apart as they may; the sound is short."""
    return Writing(rate=Fraction(1, 3600))(footage.shortened(FEW))


def large_pictures(footage: Footage) -> bytes:
    """Black, as large as is allowed; a kilobyte holds a second of them."""
    black = np.zeros((LARGE_SIDE, LARGE_SIDE, 3), np.uint8)
    return Writing()(Footage((black,) * FEW, footage.sound[: FEW * SAMPLE_RATE // 25]))


def many_channels(footage: Footage) -> bytes:
    """Eight channels at the highest rate, silent, in FLAC."""
    quiet = Footage(footage.pictures, np.zeros(len(footage.pictures) * 192_000 // 25, np.float32))
    return Writing(container="matroska", audio="flac", layout="7.1", sample_rate=192_000)(quiet)


def compressed_index(claimed: int, held: int, footage: Footage) -> bytes:
    """An index that is compressed (as QuickTime did), and unpacks to more than there is."""
    data = MP4(footage)
    packed = zlib.compress(bytes(held), 9)
    moov = box(
        b"moov",
        box(b"cmov", box(b"dcom", b"zlib"), box(b"cmvd", struct.pack(">I", claimed), packed)),
    )
    return data[: find(data, b"moov").start] + moov


def repeated_sound(footage: Footage) -> bytes:
    """An index that plays one sample of sound four thousand million times."""
    data = MP4(footage)
    times = find(data, b"stts", 1).body + 8
    sizes = find(data, b"stsz", 1).body + 4
    data = data[:times] + struct.pack(">II", 0xFFFFFFFF, 1024) + data[times + 8 :]
    return data[:sizes] + struct.pack(">II", 1, 0xFFFFFFF0) + data[sizes + 8 :]
