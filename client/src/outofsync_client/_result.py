"""What the server found out about one video."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, ClassVar, Protocol, Union

import numpy as np
from numpy.typing import NDArray

from outofsync_client.protocol import DELAYS, FRAME_RATE

FAKE_VERDICTS = ("likely_fake", "fake")
INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Reason:
    """Why the verdict is what it is: a stable code and a sentence."""

    code: str
    message: str

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Reason:
        return cls(code=values["code"], message=values["message"])


@dataclass(frozen=True)
class Segment:
    """A scored stretch of the video; ``start`` and ``end`` in seconds, ``peak_delay`` in frames."""

    start: float
    end: float
    track: int | None
    score: float | None
    probability_fake: float | None
    peak_delay: int | None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Segment:
        return cls(
            start=values["start"],
            end=values["end"],
            track=values.get("track"),
            score=values.get("score"),
            probability_fake=values.get("probability_fake"),
            peak_delay=values.get("peak_delay"),
        )


@dataclass(frozen=True)
class EarlySegment(Segment):
    """A segment of a job that runs.

    While it is ``preliminary``, its score may still change, and ``probability_fake`` is by lips and voice
    alone.
    """

    preliminary: bool

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> EarlySegment:
        return cls(**vars(Segment.from_dict(values)), preliminary=bool(values.get("preliminary")))


@dataclass(frozen=True)
class FaceTrack:
    """One face over a stretch of time, in seconds; ``box`` is x0, y0, x1, y1 in pixels."""

    id: int
    start: float
    end: float
    speaking: bool
    box: tuple[float, ...]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FaceTrack:
        return cls(
            id=values["id"],
            start=values["start"],
            end=values["end"],
            speaking=bool(values.get("speaking")),
            box=tuple(values.get("box") or ()),
        )


class Reporter(Protocol):
    """What draws results and reports on them."""

    def draw(self, result: Result, *, title: str) -> Any: ...

    def save_report(
        self, path: Path, result: Result, *, title: str = "", options: Mapping[str, Any] | None = None
    ) -> None: ...


@dataclass(frozen=True)
class Result:
    """The verdict on one video and what it rests on.

    ``verdict`` is ``real``, ``likely_real``, ``likely_fake``, ``fake`` or ``inconclusive``; where it is
    inconclusive, ``reasons`` say why and ``label``, ``probability_fake`` and the scores may be None.
    ``score`` = ``delay_score`` + ``lam`` · ``feature_score``, higher is more likely fake (paper, section 3).
    ``delays`` are logits, float64 (windows, 31), for delays of −15 … +15 frames; ``features`` float64
    (windows, 31); each has no rows where it was not asked for. Window k starts at ``window_times[k]``.
    """

    id: str
    verdict: str
    label: str | None
    probability_fake: float | None
    score: float | None
    delay_score: float | None
    feature_score: float | None
    lam: float | None
    offset_frames: int | None
    offset_confidence: float | None
    judged_offset_frames: int | None  # the constant offset that everything was judged at
    probability_aligned: float | None  # once an offset beyond what broadcasting leaves was put right
    parts: Mapping[str, float]  # probability by each part alone: ``synchrony``, ``face``
    reasons: tuple[Reason, ...]
    segments: tuple[Segment, ...]
    tracks: tuple[FaceTrack, ...]
    delays: NDArray[np.float64] = field(repr=False, compare=False)
    features: NDArray[np.float64] = field(repr=False, compare=False)
    delays_start: float  # seconds from the video's first frame to window 0
    media: Mapping[str, Any]
    deblur: Mapping[str, Any]
    models: Mapping[str, Any]
    timing_ms: Mapping[str, float]
    raw: Mapping[str, Any] = field(repr=False)  # as the server sent it, fields of newer servers included

    # Given by the package (see its __init__): reports know results, so that results cannot know reports.
    _reporter: ClassVar[Callable[[], Reporter]]

    @property
    def is_fake(self) -> bool:
        """Whether the verdict is ``likely_fake`` or ``fake``."""
        return self.verdict in FAKE_VERDICTS

    @property
    def is_conclusive(self) -> bool:
        """Whether there is a verdict at all."""
        return self.verdict != INCONCLUSIVE

    @property
    def window_times(self) -> NDArray[np.float64]:
        """When each row of ``delays`` starts, in seconds of the video."""
        return self.delays_start + np.arange(max(len(self.delays), len(self.features))) / FRAME_RATE

    def to_dict(self) -> dict[str, Any]:
        """The result as the server sent it; changes to the copy leave the result alone."""
        return copy.deepcopy(dict(self.raw))

    def to_json(self) -> str:
        """The result as the server sent it, as JSON."""
        return json.dumps(self.raw)

    def to_dataframe(self) -> Any:
        """A row for each scored segment, as a pandas DataFrame (the extra ``pandas`` brings it)."""
        import pandas

        return pandas.DataFrame([vars(segment) for segment in self.segments])

    def plot(self, title: str = "") -> Any:
        """The four panels as a matplotlib figure."""
        return type(self)._reporter().draw(self, title=title or self.id)

    def save_report(self, path: Union[str, os.PathLike[str]], **settings: Any) -> None:
        """Write a report for people, as ``.html``, ``.pdf`` or ``.png``; raises ValueError for another name.

        ``title`` is usually the video's name, ``options`` what was asked of the server.
        """
        type(self)._reporter().save_report(Path(path), self, **settings)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Result:
        """Read a server's answer. Raises KeyError, TypeError or ValueError where it is no result."""
        tracks = tuple(FaceTrack.from_dict(track) for track in values.get("tracks") or ())
        return cls(
            id=values["id"],
            verdict=values["verdict"],
            label=values.get("label"),
            probability_fake=values.get("probability_fake"),
            score=values.get("score"),
            delay_score=values.get("delay_score"),
            feature_score=values.get("feature_score"),
            lam=values.get("lam"),
            offset_frames=values.get("offset_frames"),
            offset_confidence=values.get("offset_confidence"),
            judged_offset_frames=values.get("judged_offset_frames"),
            probability_aligned=values.get("probability_aligned"),
            parts=values.get("parts") or {},
            reasons=tuple(Reason.from_dict(reason) for reason in values.get("reasons") or ()),
            segments=tuple(Segment.from_dict(segment) for segment in values.get("segments") or ()),
            tracks=tracks,
            delays=_rows(values.get("delays")),
            features=_rows(values.get("features")),
            delays_start=_delays_start(values.get("delays_start"), tracks),
            media=values.get("media") or {},
            deblur=values.get("deblur") or {},
            models=values.get("models") or {},
            timing_ms=values.get("timing_ms") or {},
            raw=values,
        )


def _rows(values: Any) -> NDArray[np.float64]:
    """(windows, 31) however many windows there are, none included."""
    return np.asarray(values or [], np.float64).reshape(-1, DELAYS)


def _delays_start(stated: float | None, tracks: tuple[FaceTrack, ...]) -> float:
    """The delays belong to the track that speaks, and start with it."""
    if stated is not None:
        return float(stated)
    return next((float(track.start) for track in tracks if track.speaking), 0.0)
