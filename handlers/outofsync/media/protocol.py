"""What parent and child say to each other.

The parent has the child started with a task (:class:`Task`). The child answers with JSON lines:

- ``{"started": true}``: it is confined, and opens the file now; the first message
- ``{"info", "shape", "turns", "mirrored"}``: facts, the (height, width) of pictures in the ring, and what
  makes them upright: quarter turns, and then left and right exchanged
- ``{"frames": n}``: the next slot of the ring holds n pictures; the parent sends one byte when it has
  copied them
- ``{"missing": n}``: n frames follow for which the file has no picture or no sound
- ``{"bytes": n}`` and n raw bytes: the sound, or an encoded file; the last message
- ``{"error": …}``: :meth:`OutOfSyncError.to_dict`; the last message. Beside it may stand ``"trace"``: where
  the decoder gave up, for the log

To encode, the parent sends batches of raw pictures, each after their COUNT, and END after the last.
"""

from __future__ import annotations

import json
import os
import struct
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from outofsync.limits import Limits
from outofsync.media.containers import Container

COUNT = struct.Struct(">I")  # pictures to encode that follow as raw RGB
END = COUNT.pack(0)
FREED = b"."  # one slot of the ring was copied
FILE, LINK, RING = 0, 1, 3  # the child's descriptors; it has no ring to encode
MAX_TASK = 1 << 16  # bytes
ENDED = struct.Struct("<id")  # how a child ended: its status, or -n for signal n; seconds of processor time


@dataclass(frozen=True)
class Task:
    """All that the child is told; ``action`` is probe, decode or encode."""

    action: str
    kind: Container
    bytes: int
    limits: Limits
    cpu_s: int
    max_frames: int | None = None
    slot: int = 0  # bytes of one slot of the shared memory; 0 where there is none
    shape: tuple[int, int] = (0, 0)  # (height, width) of pictures to encode
    video_track: int | None = None  # of the file's tracks; None for those that the rule chooses
    audio_track: int | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Task:
        values = json.loads(text)
        return cls(
            **values
            | {
                "kind": Container(**values["kind"]),
                "limits": Limits(**values["limits"]),
                "shape": tuple(values["shape"]),
            }
        )


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """Facts about a file, as its header and its first picture tell them, before anything was resampled."""

    container: str  # mp4, mov, matroska, webm, avi, mpeg or mpegts
    video_codec: str
    audio_codec: str
    width: int  # px of the upright picture with square pixels; decoded frames may be smaller
    height: int
    frame_rate: float  # frames/s, the average
    duration_s: float  # as the container declares it, or where it errs, as picture and sound last
    rotation: int  # degrees counter-clockwise that make the stored picture upright: 0, 90, 180 or 270
    sample_rate: int  # Hz
    channels: int
    bytes: int  # size of the file
    mirrored: bool = False  # whether left and right are exchanged, after the rotation
    tracks: list[dict[str, Any]] = field(default_factory=list)  # see tracks.py
    # Seconds after the first picture in which picture or sound is missing, or where the clock was set anew.
    gaps: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> MediaInfo:
        """What a child says; raises TypeError or ValueError where these are not such facts."""
        info = cls(**values)
        for one in fields(cls):
            kind, value = _KINDS[str(one.type).partition("[")[0]], getattr(info, one.name)
            if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
                raise ValueError(f"{one.name} is {value!r}")
        return info


_KINDS: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "float": (int, float),
    "bool": bool,
    "list": list,
}


class Link:
    """The child's end: blocking reads and writes of a socket pair."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, raw: bytes | bytearray | memoryview = b"", **message: Any) -> None:
        self._write(json.dumps(message).encode() + b"\n")
        self._write(raw)

    def receive(self, count: int) -> bytearray:
        """Exactly ``count`` bytes; raises EOFError where the parent is gone."""
        received = bytearray(count)
        view, done = memoryview(received), 0
        while done < count:
            chunk = os.readv(self._descriptor, [view[done:]])
            if not chunk:
                raise EOFError
            done += chunk
        return received

    def _write(self, data: bytes | bytearray | memoryview) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
