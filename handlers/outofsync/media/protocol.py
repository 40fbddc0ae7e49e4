"""What parent and child say to each other.

The parent starts the child with a task (:class:`Task`). The child answers with JSON lines:

- ``{"started": true}``: it is confined, and opens the file now; the first message
- ``{"info", "shape", "turns"}``: facts, the (height, width) of pictures in the ring, quarter turns to make
  them upright
- ``{"frames": n}``: the next slot of the ring holds n pictures; the parent sends one byte when it has
  copied them
- ``{"bytes": n}`` and n raw bytes: the sound, or an encoded file; the last message
- ``{"error": …}``: :meth:`OutOfSyncError.to_dict`; the last message

To encode, the parent sends batches of raw pictures, each after their COUNT, and END after the last.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from typing import Any

from outofsync.limits import Limits
from outofsync.media.containers import Container

COUNT = struct.Struct(">I")  # pictures to encode that follow as raw RGB
END = COUNT.pack(0)
FREED = b"."  # one slot of the ring was copied


@dataclass(frozen=True)
class Task:
    """All that the child is told; ``action`` is probe, decode or encode."""

    action: str
    kind: Container
    bytes: int
    limits: Limits
    cpu_s: int
    max_frames: int | None = None
    ring: int = -1  # descriptor of the shared memory
    slot: int = 0  # bytes of one slot
    shape: tuple[int, int] = (0, 0)  # (height, width) of pictures to encode

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


def encode(message: dict[str, Any]) -> bytes:
    """One message as a line."""
    return json.dumps(message).encode() + b"\n"
