"""The clip: what flows from node to node (DESIGN: Clip).

A clip is a safetensors buffer: face crops per track, mono sound, and a JSON header. Crops are stored raw
where every bit counts (``mode=reference``) and as JPEG elsewhere. Between two nodes of one server the buffer
and the crops lie in a file (:mod:`outofsync.spool`), and what flows is where. A failed request travels as a
clip that holds only its error, so that one bad file never disturbs the others in its batch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from outofsync.errors import ErrorCode, OutOfSyncError
from outofsync.frames import FrameStore, JpegFrames, RawFrames
from outofsync.options import Options
from outofsync.spool import Spool, SpoolFile

FORMAT = "outofsync-clip/1"
SPOOLED = b'{"spooled": '  # how the bytes begin that say where a clip lies


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
            "format": FORMAT,
            "options": self.options.to_dict(),
            "digest": self.digest,
            "request_id": self.request_id,
            "media": self.media,
            "deblur": self.deblur,
            "models": self.models,
            "timing_ms": self.timing_ms,
            "handed_on_s": self.handed_on_s,
            "reasons": self.reasons,
            "error": self.error,
            "tracks": [{"id": track.id, "start": track.start} for track in self.tracks],
        }
        # One entry of metadata: the library would leave the order of several to chance.
        return bytes(save_tensors(tensors, {"header": json.dumps(header, sort_keys=True)}))

    @classmethod
    def from_bytes(cls, data: bytes | bytearray, spool: Spool | None = None) -> Clip:
        """Read a clip; raises ``corrupt_media`` for what is none, and ``internal`` for one that is lost.

        With a spool, bytes may also say where in it the clip lies; crops are then read as they are needed,
        until the clip is closed.
        """
        file = None
        try:
            if spool is None or not data.startswith(SPOOLED):
                return cls._read(bytes(data))
            name, start, size = json.loads(data)["spooled"]
            file = spool.take(name)
            return cls._read(file.read(start, size), file)
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            if file is not None:
                file.discard()
                file.close()
            raise OutOfSyncError(ErrorCode.CORRUPT_MEDIA, f"not a readable clip: {error}") from None

    @classmethod
    def _read(cls, data: bytes, file: SpoolFile | None = None) -> Clip:
        tensors = load_tensors(data)
        header = _header(data)
        tracks = []
        for facts in header.pop("tracks"):
            prefix = f"track.{facts['id']}."
            own = {
                name.removeprefix(prefix): part for name, part in tensors.items() if name.startswith(prefix)
            }
            frames = _frames(own, file)
            tracks.append(Track(facts["id"], facts["start"], frames, own["boxes"], own["sharpness"]))
        options = Options.from_dict(header.pop("options"))
        return cls(tracks, tensors["audio"], options=options, file=file, **header)


def _frames(tensors: Mapping[str, NDArray[Any]], file: SpoolFile | None) -> FrameStore:
    """The frames of one track."""
    if "raw" in tensors:
        return RawFrames(tensors["raw"])
    if "jpeg_starts" in tensors and file is not None:
        return JpegFrames.from_places(file, tensors["jpeg_starts"], tensors["jpeg_sizes"])
    return JpegFrames.from_tensors(tensors["jpeg"], tensors["jpeg_sizes"])


def _header(data: bytes) -> dict[str, Any]:
    """The JSON header of a clip (the first 8 bytes of safetensors give the length of their own)."""
    length = int.from_bytes(data[:8], "little")
    header: dict[str, Any] = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["header"])
    if header.pop("format") != FORMAT:
        raise ValueError("another format")
    return header


def is_clip(data: bytes | bytearray) -> bool:
    """Whether these bytes are meant to be a clip (a video file never begins like one)."""
    if data.startswith(SPOOLED):
        return True
    length = int.from_bytes(data[:8], "little")
    return data[8:9] == b"{" and length < len(data) and FORMAT.encode() in data[8 : 8 + length]
