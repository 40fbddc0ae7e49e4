"""Matroska by hand: what no muxer would write."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from samples.malformed.footage import FRAME_RATE, SAMPLE_RATE, Footage

UNKNOWN_SIZE = b"\x01" + b"\xff" * 7
MILLISECONDS = 1_000_000  # of Matroska's clock, in its nanoseconds
FRAME_MS = 1000 // FRAME_RATE
FRAMES_IN_CLUSTER = 10


def element(number: int, *contents: bytes, size: bytes | None = None) -> bytes:
    """One element; ``size`` in place of its own makes it lie."""
    body = b"".join(contents)
    head = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return head + (size if size is not None else (1 << 56 | len(body)).to_bytes(8, "big")) + body


def whole(number: int, value: int) -> bytes:
    return element(number, value.to_bytes(8, "big"))


def text(number: int, value: str) -> bytes:
    return element(number, value.encode())


def size_of(value: int) -> bytes:
    """A size that an element pretends to have."""
    return (1 << 56 | value).to_bytes(8, "big")


@dataclass(frozen=True)
class Matroska:
    """A file of JPEG pictures and PCM sound; fields that are not as they should be make it malformed."""

    documents: str = "matroska"
    duration_ms: float | None = None
    width: int | None = None
    height: int | None = None
    cropped: tuple[int, int, int, int] | None = None  # px left, right, top and bottom, not to be shown
    rate: float = SAMPLE_RATE
    channels: int = 1
    first_ms: int = 0  # time of the first cluster
    steps_ms: Sequence[int] = ()  # added to each cluster's time in turn
    packed: bool = False  # pictures are compressed as zlib does
    bomb_bytes: int = 0  # into which each of these would unpack
    extra: Sequence[bytes] = field(default=())  # further elements of the segment, before the clusters
    segment_size: bytes = UNKNOWN_SIZE
    cluster_size: bytes | None = None
    block_track: int | None = None  # that every picture claims to belong to

    def __call__(self, footage: Footage) -> bytes:
        """The file."""
        body = [self._info(footage), self._tracks(footage), *self.extra, *self._clusters(footage)]
        head = element(0x1A45DFA3, text(0x4282, self.documents), whole(0x4287, 4), whole(0x4285, 2))
        return head + element(0x18538067, *body, size=self.segment_size)

    def _info(self, footage: Footage) -> bytes:
        milliseconds = len(footage.pictures) * FRAME_MS if self.duration_ms is None else self.duration_ms
        return element(
            0x1549A966, whole(0x2AD7B1, MILLISECONDS), element(0x4489, struct.pack(">d", milliseconds))
        )

    def _tracks(self, footage: Footage) -> bytes:
        height, width = footage.pictures[0].shape[:2]
        shape = whole(0xB0, width if self.width is None else self.width) + whole(
            0xBA, height if self.height is None else self.height
        )
        if self.cropped is not None:
            numbers = (0x54CC, 0x54DD, 0x54BB, 0x54AA)
            shape += b"".join(whole(number, edge) for number, edge in zip(numbers, self.cropped, strict=True))
        packing = element(0x6D80, element(0x6240, element(0x5034, whole(0x4254, 0)))) if self.packed else b""
        video = element(
            0xAE,
            whole(0xD7, 1),
            whole(0x73C5, 1),
            whole(0x83, 1),
            text(0x86, "V_MJPEG"),
            whole(0x23E383, FRAME_MS * MILLISECONDS),
            element(0xE0, shape),
            packing,
        )
        heard = element(0xB5, struct.pack(">d", self.rate)) + whole(0x9F, self.channels) + whole(0x6264, 16)
        audio = element(
            0xAE,
            whole(0xD7, 2),
            whole(0x73C5, 2),
            whole(0x83, 2),
            text(0x86, "A_PCM/INT/LIT"),
            element(0xE1, heard),
        )
        return element(0x1654AE6B, video, audio)

    def _clusters(self, footage: Footage) -> Iterable[bytes]:
        coded = [self._coded(picture) for picture in footage.pictures]
        samples = (footage.sound * 32767).astype("<i2")
        each = SAMPLE_RATE // FRAME_RATE
        for number, first in enumerate(range(0, len(coded), FRAMES_IN_CLUSTER)):
            step = self.steps_ms[number % len(self.steps_ms)] if self.steps_ms else 0
            time = self.first_ms + first * FRAME_MS + step
            blocks = []
            for place, data in enumerate(coded[first : first + FRAMES_IN_CLUSTER]):
                sound = np.repeat(samples[(first + place) * each : (first + place + 1) * each], self.channels)
                blocks += [
                    _block(self.block_track or 1, place * FRAME_MS, data),
                    _block(2, place * FRAME_MS, sound.tobytes()),
                ]
            timestamp = element(0xE7, (time % (1 << 64)).to_bytes(8, "big"))
            yield element(0x1F43B675, timestamp, *blocks, size=self.cluster_size)

    def _coded(self, picture: np.ndarray) -> bytes:
        done, coded = cv2.imencode(".jpg", picture[:, :, ::-1])
        assert done
        data = coded.tobytes() + bytes(self.bomb_bytes)
        return zlib.compress(data, 1) if self.packed else data


def _block(track: int, milliseconds: int, data: bytes) -> bytes:
    return element(0xA3, bytes([0x80 | track]), struct.pack(">h", milliseconds), b"\x80", data)


def attached(name: str, kind: str, data: bytes) -> bytes:
    """A file that lies beside the video in its container."""
    return element(
        0x1941A469,
        element(0x61A7, text(0x466E, name), text(0x4660, kind), element(0x465C, data), whole(0x46AE, 7)),
    )


def chapter(title: str, linked: bytes = b"") -> bytes:
    """A chapter; ``linked`` names another file's segment that is to be played there."""
    segment = element(0x6E67, linked) if linked else b""
    atom = element(0xB6, whole(0x73C4, 1), whole(0x91, 0), segment, element(0x80, text(0x85, title)))
    return element(0x1043A770, element(0x45B9, atom))
