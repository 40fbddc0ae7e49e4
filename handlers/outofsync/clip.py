"""The clip: what flows from node to node (DESIGN: Clip).

A clip is a safetensors buffer: face crops per track, mono sound, and a JSON header. Crops are stored raw
where every bit counts (``mode=reference``) and as JPEG elsewhere: a second of raw 224 px crops is 3.8 MB,
and TorchServe needs about 15 ms for each MB that passes between two nodes. A failed request travels as a
clip that holds only its error, so that one bad file never disturbs the others in its batch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from outofsync.constants import FACE_SIZE
from outofsync.errors import ErrorCode, OutOfSyncError
from outofsync.options import Options

FORMAT = "outofsync-clip/1"
JPEG_QUALITY = 95

Frames = NDArray[np.uint8]  # (frames, height, width, 3) RGB


class FrameStore(Protocol):
    """Frames of one track, however they are kept."""

    def __len__(self) -> int: ...

    def read(self, start: int, stop: int) -> Frames:
        """Frames start … stop−1 as uint8 (frames, height, width, 3) RGB."""
        ...

    def replace(self, index: int, frame: NDArray[np.uint8]) -> None:
        """Put a restored frame in the place of one."""
        ...

    def tensors(self) -> dict[str, NDArray[Any]]:
        """What a clip stores of them."""
        ...


class RawFrames:
    """Frames as they are."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames

    def __len__(self) -> int:
        return len(self._frames)

    def read(self, start: int, stop: int) -> Frames:
        return self._frames[start:stop]

    def replace(self, index: int, frame: NDArray[np.uint8]) -> None:
        if not self._frames.flags.writeable:
            self._frames = self._frames.copy()
        self._frames[index] = frame

    def tensors(self) -> dict[str, NDArray[Any]]:
        return {"raw": np.ascontiguousarray(self._frames)}


class JpegFrames:
    """Frames coded one by one, so that a long track stays small in memory."""

    def __init__(self, coded: Sequence[bytes] = ()) -> None:
        self._coded = list(coded)

    def __len__(self) -> int:
        return len(self._coded)

    @staticmethod
    def encode(frame: NDArray[np.uint8]) -> bytes:
        """One (height, width, 3) RGB frame as JPEG with full colour resolution."""
        settings = [
            cv2.IMWRITE_JPEG_QUALITY,
            JPEG_QUALITY,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
        ]
        done, coded = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), settings)
        if not done:
            raise OutOfSyncError(ErrorCode.INTERNAL, "a face crop could not be coded")
        return coded.tobytes()

    def append(self, frame: NDArray[np.uint8]) -> None:
        self._coded.append(self.encode(frame))

    def replace(self, index: int, frame: NDArray[np.uint8]) -> None:
        self._coded[index] = self.encode(frame)

    @staticmethod
    def decode(coded: bytes) -> NDArray[np.uint8]:
        frame = cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_COLOR_RGB)
        if frame is None:
            raise ValueError("a coded frame is damaged")
        return frame.astype(np.uint8, copy=False)

    def read(self, start: int, stop: int) -> Frames:
        frames = [self.decode(coded) for coded in self._coded[start:stop]]
        return np.stack(frames) if frames else np.zeros((0, FACE_SIZE, FACE_SIZE, 3), np.uint8)

    def tensors(self) -> dict[str, NDArray[Any]]:
        sizes = np.array([len(coded) for coded in self._coded], np.int32)
        return {"jpeg": np.frombuffer(b"".join(self._coded), np.uint8), "jpeg_sizes": sizes}

    @classmethod
    def from_tensors(cls, data: NDArray[np.uint8], sizes: NDArray[np.int32]) -> JpegFrames:
        ends = np.cumsum(sizes, dtype=np.int64)
        if len(sizes) and int(ends[-1]) != data.size:
            raise ValueError("coded frames do not add up")
        buffer = data.tobytes()
        return cls([buffer[end - size : end] for end, size in zip(ends, sizes, strict=True)])


@dataclass
class Track:
    """One face over a stretch of time.

    ``start`` is its first frame on the 25 fps grid; ``boxes`` are float32 (frames, 4): x0, y0, x1, y1 of the
    crop in pixels of the upright picture; ``sharpness`` is float32 (frames,), empty where not measured.
    """

    id: int
    start: int
    frames: FrameStore
    boxes: NDArray[np.float32]
    sharpness: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))

    @property
    def stop(self) -> int:
        return self.start + len(self.frames)


@dataclass
class Clip:
    """Face tracks, sound (int16, 16 kHz, mono, from the first frame on) and facts about one request."""

    tracks: list[Track]
    audio: NDArray[np.int16]
    options: Options = field(default_factory=Options)
    digest: str = ""  # SHA-256 of the file as it was sent
    request_id: str = ""
    media: dict[str, Any] = field(default_factory=dict)
    deblur: dict[str, Any] = field(default_factory=dict)
    models: dict[str, Any] = field(default_factory=dict)
    timing_ms: dict[str, float] = field(default_factory=dict)
    reasons: list[dict[str, str]] = field(default_factory=list)
    error: dict[str, Any] | None = None

    @classmethod
    def failed(cls, error: dict[str, Any], *, request_id: str = "") -> Clip:
        """A clip that carries nothing but what went wrong."""
        return cls([], np.zeros(0, np.int16), error=error, request_id=request_id)

    def to_bytes(self) -> bytes:
        tensors: dict[str, NDArray[Any]] = {"audio": self.audio}
        for track in self.tracks:
            prefix = f"track.{track.id}."
            tensors[prefix + "boxes"] = np.ascontiguousarray(track.boxes, np.float32)
            tensors[prefix + "sharpness"] = np.ascontiguousarray(track.sharpness, np.float32)
            tensors |= {prefix + name: value for name, value in track.frames.tensors().items()}
        header = {
            "format": FORMAT,
            "options": self.options.to_dict(),
            "digest": self.digest,
            "request_id": self.request_id,
            "media": self.media,
            "deblur": self.deblur,
            "models": self.models,
            "timing_ms": self.timing_ms,
            "reasons": self.reasons,
            "error": self.error,
            "tracks": [{"id": track.id, "start": track.start} for track in self.tracks],
        }
        # One entry of metadata: the library would leave the order of several to chance.
        return bytes(save_tensors(tensors, {"header": json.dumps(header, sort_keys=True)}))

    @classmethod
    def from_bytes(cls, data: bytes) -> Clip:
        """Read a clip; raises ``corrupt_media`` for anything that is not one."""
        try:
            return cls._read(data)
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise OutOfSyncError(ErrorCode.CORRUPT_MEDIA, f"not a readable clip: {error}") from None

    @classmethod
    def _read(cls, data: bytes) -> Clip:
        tensors = load_tensors(data)
        header = _header(data)
        tracks = []
        for facts in header.pop("tracks"):
            prefix = f"track.{facts['id']}."
            frames: FrameStore
            if prefix + "raw" in tensors:
                frames = RawFrames(tensors[prefix + "raw"])
            else:
                frames = JpegFrames.from_tensors(tensors[prefix + "jpeg"], tensors[prefix + "jpeg_sizes"])
            tracks.append(
                Track(
                    facts["id"],
                    facts["start"],
                    frames,
                    tensors[prefix + "boxes"],
                    tensors[prefix + "sharpness"],
                )
            )
        options = Options.from_dict(header.pop("options"))
        return cls(tracks, tensors["audio"], options=options, **header)


def _header(data: bytes) -> dict[str, Any]:
    """The JSON header of a clip (the first 8 bytes of safetensors give the length of their own)."""
    length = int.from_bytes(data[:8], "little")
    header: dict[str, Any] = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["header"])
    if header.pop("format") != FORMAT:
        raise ValueError("another format")
    return header


def is_clip(data: bytes) -> bool:
    """Whether these bytes are meant to be a clip (a video file never begins like one)."""
    length = int.from_bytes(data[:8], "little")
    return data[8:9] == b"{" and length < len(data) and FORMAT.encode() in data[8 : 8 + length]
