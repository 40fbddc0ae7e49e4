"""The frames of one face track, however they are kept: as they are, or coded, in memory or in a file.

Frames are coded one by one, as JPEG: any of them can be read or replaced alone, and coding takes a fifth of a
millisecond. H.264 would take a quarter of the room and several times as long (benchmarks/NOTES.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from outofsync.constants import FACE_SIZE
from outofsync.errors import ErrorCode, OutOfSyncError

JPEG_SETTINGS = [
    cv2.IMWRITE_JPEG_QUALITY,
    95,
    # Colour at half the size, as nearly every video stores it already.
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
]

LONGEST_SIDE = 4096  # pixels: a stranger's code may claim so many that decoding it takes all memory
_START = b"\xff\xd8"
_SIZES = {
    0xC0,
    0xC1,
    0xC2,
}  # markers of the segments that hold a picture's size: plain and progressive coding
_SEGMENTS = _SIZES | {0xC4, 0xDB, 0xDD, 0xFE} | set(range(0xE0, 0xF0))  # what may stand before and beside it

Frames = NDArray[np.uint8]  # (frames, height, width, 3) RGB


class FrameStore(Protocol):
    """Frames of one track, however they are kept."""

    def __len__(self) -> int: ...

    def read(self, start: int, stop: int) -> Frames:
        """Frames start … stop−1 as uint8 (frames, height, width, 3) RGB."""
        ...

    def replace(self, index: int, frame: NDArray[np.uint8]) -> None:
        """Put a restored frame, uint8 (height, width, 3) RGB, in the place of one."""
        ...

    def tensors(self) -> dict[str, NDArray[Any]]:
        """What a clip stores of them: tensors by name, one for all frames or one entry a frame."""
        ...


class RawFrames:
    """Frames as they are."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames

    def __len__(self) -> int:
        return len(self._frames)

    def read(self, start: int, stop: int) -> Frames:
        """uint8 (frames, height, width, 3) RGB."""
        return self._frames[start:stop]

    def replace(self, index: int, frame: NDArray[np.uint8]) -> None:
        """uint8 (height, width, 3) RGB in the place of a frame."""
        if not self._frames.flags.writeable:
            self._frames = self._frames.copy()
        self._frames[index] = frame

    def tensors(self) -> dict[str, NDArray[Any]]:
        """``raw``: uint8 (frames, height, width, 3)."""
        return {"raw": np.ascontiguousarray(self._frames)}


class ByteStore(Protocol):
    """Where coded frames lie, one after another."""

    def append(self, data: bytes) -> int:
        """Keep these bytes; returns where they begin."""
        ...

    def read(self, start: int, size: int) -> bytes: ...


class MemoryStore:
    """Coded frames in memory."""

    def __init__(self, data: bytes = b"") -> None:
        self._data = bytearray(data)

    def append(self, data: bytes) -> int:
        start = len(self._data)
        self._data += data
        return start

    def read(self, start: int, size: int) -> bytes:
        return bytes(self._data[start : start + size])


class JpegFrames:
    """Frames coded one by one, in memory or in the given store."""

    def __init__(self, coded: Iterable[bytes] = (), store: ByteStore | None = None) -> None:
        self._store = MemoryStore() if store is None else store
        self._places = [self._keep(frame) for frame in coded]  # (start, size) of each

    def __len__(self) -> int:
        return len(self._places)

    @staticmethod
    def encode(frame: NDArray[np.uint8]) -> bytes:
        """One (height, width, 3) RGB frame as JPEG."""
        done, coded = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), JPEG_SETTINGS)
        if not done:
            raise OutOfSyncError(ErrorCode.INTERNAL, "a face crop could not be coded")
        return coded.tobytes()

    @staticmethod
    def decode(coded: bytes) -> NDArray[np.uint8]:
        """A JPEG as uint8 (height, width, 3) RGB; raises ValueError for what is none."""
        if not 0 < max(_size(coded)) <= LONGEST_SIDE:
            raise ValueError("a coded frame is damaged")
        frame = cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_COLOR_RGB)
        if frame is None:
            raise ValueError("a coded frame is damaged")
        return frame.astype(np.uint8, copy=False)

    def append(self, frame: NDArray[np.uint8]) -> None:
        """Code one more frame, uint8 (height, width, 3) RGB."""
        self._places.append(self._keep(self.encode(frame)))

    def replace(self, index: int, frame: NDArray[np.uint8]) -> None:
        """uint8 (height, width, 3) RGB in the place of a frame."""
        self._places[index] = self._keep(self.encode(frame))

    def read(self, start: int, stop: int) -> Frames:
        """uint8 (frames, 224, 224, 3) RGB; raises ValueError where one is damaged."""
        frames = [self.decode(self._store.read(*place)) for place in self._places[start:stop]]
        return np.stack(frames) if frames else np.zeros((0, FACE_SIZE, FACE_SIZE, 3), np.uint8)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """``jpeg``: all codes in a row, uint8 (bytes,); ``jpeg_sizes``: int32 (frames,) bytes of each."""
        coded = b"".join(self._store.read(*place) for place in self._places)
        return {"jpeg": np.frombuffer(coded, np.uint8), "jpeg_sizes": self._column(1).astype(np.int32)}

    def places(self) -> dict[str, NDArray[Any]]:
        """For who has the store: ``jpeg_starts`` int64 and ``jpeg_sizes`` int32 (frames,), in bytes."""
        return {"jpeg_starts": self._column(0), "jpeg_sizes": self._column(1).astype(np.int32)}

    @classmethod
    def from_tensors(cls, data: NDArray[np.uint8], sizes: NDArray[np.int32]) -> JpegFrames:
        """The frames of :meth:`tensors`, (bytes,) and (frames,); raises ValueError where sizes are wrong."""
        ends = np.cumsum(sizes, dtype=np.int64)
        if (len(sizes) and int(ends[-1]) != data.size) or (sizes < 0).any():
            raise ValueError("coded frames do not add up")
        return cls.from_places(MemoryStore(data.tobytes()), ends - sizes, sizes)

    @classmethod
    def from_places(cls, store: ByteStore, starts: NDArray[np.int64], sizes: NDArray[np.int32]) -> JpegFrames:
        """The frames of :meth:`places`, (frames,) each."""
        frames = cls(store=store)
        frames._places = list(zip(starts.tolist(), sizes.tolist(), strict=True))
        return frames

    def _keep(self, coded: bytes) -> tuple[int, int]:
        return self._store.append(coded), len(coded)

    def _column(self, index: int) -> NDArray[np.int64]:
        return np.array([place[index] for place in self._places], np.int64)


def _size(coded: bytes) -> tuple[int, int]:
    """Height and width in pixels that a JPEG claims, (0, 0) for what is none."""
    at = len(_START)
    while (
        coded.startswith(_START) and len(coded) >= at + 9 and coded[at] == 0xFF and coded[at + 1] in _SEGMENTS
    ):
        if coded[at + 1] in _SIZES:
            return int.from_bytes(coded[at + 5 : at + 7], "big"), int.from_bytes(
                coded[at + 7 : at + 9], "big"
            )
        at += 2 + int.from_bytes(coded[at + 2 : at + 4], "big")
    return 0, 0
