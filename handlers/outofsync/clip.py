"""The clip: what flows from node to node.

A clip is a safetensors buffer: face crops per track, mono sound, and a JSON header. Crops are stored raw
where every bit counts (``mode=reference``) and as JPEG elsewhere. Between two nodes of one server the buffer
and the crops lie in a file (:mod:`outofsync.spool`), and what flows is where. A failed request travels as a
clip that holds only its error, so that one bad file never disturbs the others in its batch.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from outofsync.clip_header import FORMAT, read_header, write_header
from outofsync.constants import FACE_SIZE
from outofsync.errors import ErrorCode, OutOfSyncError
from outofsync.frames import FrameStore, JpegFrames, RawFrames
from outofsync.options import Options
from outofsync.reasons import StatedReason
from outofsync.spool import Spool, SpoolFile

SPOOLED = b'{"spooled": '  # how the bytes begin that say where a clip lies
Number = TypeVar("Number", bound=np.generic)


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
    reasons: list[StatedReason] = field(default_factory=list)
    handed_on_s: float = 0.0  # when the first node let go of it, in seconds of the clock
    error: dict[str, Any] | None = None
    file: SpoolFile | None = None  # in which the crops lie, if not in memory

    @classmethod
    def failed(cls, error: dict[str, Any], *, request_id: str = "") -> Clip:
        """A clip that carries nothing but what went wrong."""
        return cls([], np.zeros(0, np.int16), error=error, request_id=request_id)

    def to_bytes(self) -> bytes:
        """The whole clip."""
        return self._saved({track.id: track.frames.tensors() for track in self.tracks})

    def to_spool(self, file: SpoolFile) -> bytes:
        """Write the rest of the clip to the file that holds its coded crops; says where it lies.

        Raises :class:`OutOfSyncError` where there is no room for it.
        """
        table = self._saved(
            {
                track.id: frames.places()
                if isinstance(frames := track.frames, JpegFrames)
                else frames.tensors()
                for track in self.tracks
            }
        )
        return SPOOLED + json.dumps([file.name, file.append(table), len(table)]).encode() + b"}"

    def verify(self) -> None:
        """Look at all that is otherwise read only while networks work on a whole batch: each coded picture,
        each number. For a clip of a stranger; raises ``corrupt_media``.
        """
        with _refusing():
            for track in self.tracks:
                if not (np.isfinite(track.boxes).all() and np.isfinite(track.sharpness).all()):
                    raise ValueError("boxes or sharpness that are no numbers")
                for index in range(len(track.frames)):
                    _typed(track.frames.read(index, index + 1), np.uint8, (1, FACE_SIZE, FACE_SIZE, 3))

    def close(self) -> None:
        """Let go of the file in which the crops lie, if they lie in one."""
        if self.file is not None:
            self.file.close()

    def discard(self) -> None:
        """Remove that file: nobody will read the clip again."""
        if self.file is not None:
            self.file.discard()

    def _saved(self, frames: Mapping[int, Mapping[str, NDArray[Any]]]) -> bytes:
        """The safetensors buffer, with these tensors of each track's frames."""
        tensors: dict[str, NDArray[Any]] = {"audio": self.audio}
        for track in self.tracks:
            prefix = f"track.{track.id}."
            tensors[prefix + "boxes"] = np.ascontiguousarray(track.boxes, np.float32)
            tensors[prefix + "sharpness"] = np.ascontiguousarray(track.sharpness, np.float32)
            tensors |= {prefix + name: value for name, value in frames[track.id].items()}
        header = {
            "options": self.options.to_dict(),
            "digest": self.digest,
            "request_id": self.request_id,
            "media": self.media,
            "deblur": self.deblur,
            "models": self.models,
            "timing_ms": self.timing_ms,
            "handed_on_s": self.handed_on_s,
            "reasons": [reason.to_dict() for reason in self.reasons],
            "error": self.error,
            "tracks": [{"id": track.id, "start": track.start} for track in self.tracks],
        }
        # One entry of metadata: the library would leave the order of several to chance.
        return bytes(save_tensors(tensors, {"header": write_header(header)}))

    @classmethod
    def from_bytes(cls, data: bytes | bytearray, spool: Spool | None = None) -> Clip:
        """Read a clip; raises ``corrupt_media`` for what is none, and ``internal`` for one that is lost.

        With a spool, bytes may also say where in it the clip lies; crops are then read as they are needed,
        until the clip is closed.
        """
        with _refusing():
            if spool is None or not data.startswith(SPOOLED):
                return cls._read(bytes(data))
            name, start, size = json.loads(data)["spooled"]
            file = spool.take(name)
            try:
                return cls._read(file.read(start, size), file)
            except BaseException:
                file.discard()
                file.close()
                raise

    @classmethod
    def _read(cls, data: bytes, file: SpoolFile | None = None) -> Clip:
        tensors = load_tensors(data)
        header = read_header(data)
        header["reasons"] = [StatedReason(**reason) for reason in header["reasons"]]
        tracks = [_track(facts, tensors, file) for facts in header.pop("tracks")]
        audio = _typed(tensors["audio"], np.int16, (None,))
        return cls(tracks, audio, options=Options.from_dict(header.pop("options")), file=file, **header)


@contextmanager
def _refusing() -> Iterator[None]:
    """Whatever cannot be read within is the fault of the clip."""
    try:
        yield
    except (SafetensorError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise OutOfSyncError(ErrorCode.CORRUPT_MEDIA, f"not a readable clip: {error}") from None


def _track(facts: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]], file: SpoolFile | None) -> Track:
    """One track of a clip; raises KeyError or ValueError where its tensors do not fit one another."""
    prefix = f"track.{facts['id']}."
    own = {name.removeprefix(prefix): part for name, part in tensors.items() if name.startswith(prefix)}
    frames = _frames(own, file)
    boxes = _typed(own["boxes"], np.float32, (len(frames), 4))
    measured = len(frames) if own["sharpness"].size else 0
    sharpness = _typed(own["sharpness"], np.float32, (measured,))
    return Track(facts["id"], facts["start"], frames, boxes, sharpness)


def _frames(tensors: Mapping[str, NDArray[Any]], file: SpoolFile | None) -> FrameStore:
    """The frames of one track."""
    if "raw" in tensors:
        return RawFrames(_typed(tensors["raw"], np.uint8, (None, FACE_SIZE, FACE_SIZE, 3)))
    sizes = _typed(tensors["jpeg_sizes"], np.int32, (None,))
    if "jpeg_starts" in tensors and file is not None:
        return JpegFrames.from_places(file, _typed(tensors["jpeg_starts"], np.int64, (len(sizes),)), sizes)
    return JpegFrames.from_tensors(_typed(tensors["jpeg"], np.uint8, (None,)), sizes)


def _typed(tensor: NDArray[Any], kind: type[Number], shape: tuple[int | None, ...]) -> NDArray[Number]:
    """The tensor; raises ValueError where it has not this type and shape (None: any length)."""
    fits = len(shape) == tensor.ndim and all(
        wanted in (None, length) for wanted, length in zip(shape, tensor.shape, strict=True)
    )
    if tensor.dtype != kind or not fits:
        raise ValueError(f"a tensor of {tensor.dtype} {tensor.shape} where {kind.__name__} {shape} belongs")
    return tensor


def is_clip(data: bytes | bytearray) -> bool:
    """Whether these bytes are meant to be a clip (a video file never begins like one)."""
    if data.startswith(SPOOLED):
        return True
    length = int.from_bytes(data[:8], "little")
    return data[8:9] == b"{" and length < len(data) and FORMAT.encode() in data[8 : 8 + length]
