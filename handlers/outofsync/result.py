"""What a caller gets back of one video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outofsync.reasons import StatedReason

ONLY_IF_ASKED = ("delays_start", "delays", "features", "frames")  # left out where they are None


@dataclass(frozen=True)
class ScoredSegment:
    """A scored stretch of one track; ``start`` and ``end`` in seconds, ``peak_delay`` in frames."""

    start: float
    end: float
    track: int
    score: float
    probability_fake: float | None
    peak_delay: int


@dataclass(frozen=True, eq=False)
class FaceTrack:
    """One face over a stretch of time, in seconds; boxes are x0, y0, x1, y1 in pixels."""

    id: int
    start: float
    end: float
    speaking: bool
    box: tuple[float, ...]  # the mean of all
    boxes: NDArray[np.float64] | None = None  # (frames, 4), where they were asked for

    def to_dict(self) -> dict[str, Any]:
        """As a caller reads it."""
        values = {**vars(self), "box": list(self.box)}
        boxes = values.pop("boxes")
        return values if boxes is None else {**values, "boxes": boxes.tolist()}


@dataclass(frozen=True)
class Still:
    """The face at one moment, in seconds; ``jpeg`` is base64."""

    time: float
    track: int
    jpeg: str


@dataclass(frozen=True, eq=False)
class Result:
    """The verdict on one video and what it rests on, in the order in which a caller reads it.

    Numbers are None where there was nothing to measure, and the last four where they were not asked for.
    ``delays`` are logits and ``features`` projected, both (windows, 31), of the face that decided.
    """

    id: str  # SHA-256 of the file
    verdict: str
    label: str | None
    probability_fake: float | None
    probability_aligned: float | None
    parts: Mapping[str, float]  # probability by each part of the calibration alone
    score: float | None
    delay_score: float | None
    feature_score: float | None
    offset_frames: int | None
    offset_confidence: float | None
    judged_offset_frames: int | None
    lam: float
    reasons: tuple[StatedReason, ...]
    segments: tuple[ScoredSegment, ...]
    tracks: tuple[FaceTrack, ...]
    media: Mapping[str, Any]
    deblur: Mapping[str, Any]
    models: Mapping[str, Any]
    timing_ms: Mapping[str, float]
    delays_start: float | None = None  # seconds from the video's first frame to the first row
    delays: NDArray[np.float64] | None = None
    features: NDArray[np.float64] | None = None
    frames: tuple[Still, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        values = {
            **vars(self),
            "reasons": [reason.to_dict() for reason in self.reasons],
            "segments": [dict(vars(segment)) for segment in self.segments],
            "tracks": [track.to_dict() for track in self.tracks],
            "delays": None if self.delays is None else self.delays.tolist(),
            "features": None if self.features is None else self.features.tolist(),
            "frames": None if self.frames is None else [dict(vars(still)) for still in self.frames],
        }
        return {
            name: value for name, value in values.items() if value is not None or name not in ONLY_IF_ASKED
        }
