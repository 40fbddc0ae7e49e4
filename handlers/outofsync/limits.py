"""Every limit on what a caller may send, in one place, with its default."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Enforced before decoding where the container says enough, and again while decoding."""

    request_bytes: int = 200_000_000
    duration_s: float = 600.0
    side_px: int = 4096
    frame_rate: float = 250.0  # phones film slow motion at 240, more or less
    decode_wall_s: float = 60.0  # only the time spent waiting for the decoder counts
    decode_memory_bytes: int = 2048 * MIB
    face_tracks: int = 8
    clip_bytes: int = 512 * MIB  # what one node may hand to the next; TorchServe is set to accept as much
    # Working resolution: larger frames are scaled down by the decoder. A face crop has 224 px.
    working_side_px: int = 1920

    @classmethod
    def from_settings(cls, settings: dict[str, Any] | None) -> Limits:
        """Limits from an archive's ``limits:`` section; unknown names are a mistake worth stopping for."""
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(settings or {}) - known)
        if unknown:
            raise ValueError(f"unknown limits {unknown}; known are {sorted(known)}")
        return cls(**(settings or {}))
