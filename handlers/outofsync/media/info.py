"""Facts about a file, as its header and its first picture tell them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What was sent, before anything was resampled."""

    container: str  # mp4, mov, matroska, webm, avi, mpeg or mpegts
    video_codec: str
    audio_codec: str
    width: int  # px of the upright picture with square pixels; decoded frames may be smaller
    height: int
    frame_rate: float  # frames/s, the average
    duration_s: float  # as the container declares it
    rotation: int  # degrees counter-clockwise that make the stored picture upright: 0, 90, 180 or 270
    sample_rate: int  # Hz
    channels: int
    bytes: int  # size of the file

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
