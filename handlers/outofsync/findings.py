"""What the networks say about each face of a video, read from the video's own constant offset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from outofsync.clip import Track
from outofsync.constants import MAX_WINDOWS, WINDOW_FRAMES
from outofsync.scoring.abstention import Abstention
from outofsync.scoring.evidence import Evidence, away, contrast_of
from outofsync.scoring.offset import RESOLUTION, is_tolerated, offset_of, tolerated_offset
from outofsync.scoring.score import SegmentScore
from outofsync.scoring.segments import segment_bounds
from outofsync.synchrony.interface import SyncOutput

_AGREEMENT_WINDOWS = MAX_WINDOWS  # in each of which a face may fit at another delay
_LEAST_REACH, _LEAST_OVERLAP = 12, 10  # frames of delay that always count; windows of sound at any other
_SHARED_TIME = 0.5  # tracks that share more of their time show two faces, of which one speaks


@dataclass(frozen=True)
class Reading:
    """The segments of one track, read from one offset: what was scored, and what it says."""

    bounds: list[tuple[int, int]]  # windows of each segment
    scores: list[SegmentScore]
    evidence: list[Evidence]
    delays: NDArray[np.float32]  # (windows, 31) logits, aligned

    @property
    def windows(self) -> list[int]:
        """How many windows each segment has."""
        return [stop - start for start, stop in self.bounds]


@dataclass
class TrackFinding:
    """Everything found out about one track; faces that do not speak have no readings."""

    track: Track
    output: SyncOutput
    motion: float  # how the mouth moves against the face
    generated: NDArray[np.float32] | None = None  # (frames,) logits of the face network
    features: NDArray[np.float64] | None = None  # (windows, 31), projected, at the offset it is judged at
    readings: dict[int, Reading] = field(default_factory=dict)  # by the offset they are read from

    @property
    def delays(self) -> NDArray[np.float32]:
        """(windows, 31) logits as the file has them."""
        return self.output.delays

    def bounds(self, longest: int) -> list[tuple[int, int]]:
        """Segments of at least two windows; one window leaves no step to score."""
        windows = len(self.delays)
        return segment_bounds(windows, longest) if windows >= 2 else []

    def read(self, offset: int, bounds: list[tuple[int, int]], scores: list[SegmentScore]) -> None:
        """Keep what the segments of one offset were scored."""
        aligned = self.output.aligned(offset).delays
        evidence = self.evidence(offset, aligned, bounds, scores, self.generated)
        self.readings[offset] = Reading(bounds, scores, evidence, aligned)

    def evidence(
        self,
        offset: int,
        aligned: NDArray[np.float32],
        bounds: Sequence[tuple[int, int]],
        scores: Sequence[SegmentScore],
        generated: NDArray[np.float32] | None,
    ) -> list[Evidence]:
        """What some segments say, of which ``generated`` covers the frames, if the face was looked at."""
        return [
            Evidence.of(
                aligned[start:stop],
                score,
                generated_in(generated, start, stop),
                elsewhere(self.output.curve(start, stop), offset, len(aligned)),
            )
            for (start, stop), score in zip(bounds, scores, strict=True)
        ]

    @cached_property
    def agreement(self) -> float:
        """How strongly this face moves with the voice at whatever delay: what tells the speaker."""
        return sum(contrast_of(self.delays[start:stop]) for start, stop in self.bounds(_AGREEMENT_WINDOWS))


def generated_in(generated: NDArray[np.float32] | None, start: int, stop: int) -> float | None:
    """Mean logit (frames,) of the face network in the frames that some windows cover."""
    if generated is None:
        return None
    return float(generated[start : stop + WINDOW_FRAMES - 1].mean(dtype=np.float64))


def elsewhere(curve: NDArray[np.floating], offset: int, longest: int) -> NDArray[np.floating]:
    """Mean logits at all delays but those near an offset, and those for which too little sound was left.

    ``curve`` (delays,) holds them from the earliest to the latest, no delay in the middle; ``longest`` is how
    many windows the longest face among them has.
    """
    middle = len(curve) // 2
    reach = min(middle, max(_LEAST_REACH, longest - _LEAST_OVERLAP))
    return away(curve[middle - reach : middle + reach + 1], reach + offset)


def evidence_of(findings: Sequence[TrackFinding], offset: int) -> Evidence:
    """Evidence of all that some faces say, read from an offset, as of one long stretch."""
    readings = [finding.readings[offset] for finding in findings]
    parts = [part for reading in readings for part in reading.evidence]
    mean = Evidence.mean(parts, [count - 1 for reading in readings for count in reading.windows])
    lengths = [len(reading.delays) for reading in readings]
    curve = np.average([finding.output.curve() for finding in findings], axis=0, weights=lengths)
    return Evidence.of(
        np.concatenate([reading.delays for reading in readings]),
        mean,
        mean.generated,
        elsewhere(curve, offset, max(lengths)),
    )


def speakers(findings: Sequence[TrackFinding]) -> list[TrackFinding]:
    """The faces that speak, best first; of those in view at one time, the one that agrees most."""
    chosen: list[TrackFinding] = []
    for finding in sorted(findings, key=lambda finding: finding.agreement, reverse=True):
        if len(finding.delays) >= 2 and all(
            shared_time(finding.track, other.track) <= _SHARED_TIME for other in chosen
        ):
            chosen.append(finding)
    return chosen


def shared_time(first: Track, second: Track) -> float:
    """Frames in which both are in view, over the length of the shorter track."""
    shared = min(first.stop, second.stop) - max(first.start, second.start)
    return max(0, shared) / min(len(first.frames), len(second.frames))


@dataclass(frozen=True)
class Alignment:
    """A video's constant offset (frames, positive where the sound comes late), and where it is judged."""

    offset: int  # the best of all
    confidence: float  # 0 … 1
    judged: int  # the best inside the broadcast window, or where it surely lies if that is hardly beyond
    elsewhere: int | None  # the best of all, if it surely lies further outside the window

    @property
    def offsets(self) -> list[int]:
        """Every offset that segments are to be read from."""
        return [self.judged] if self.elsewhere is None else [self.judged, self.elsewhere]

    @classmethod
    def of(cls, delays: NDArray[np.floating], rules: Abstention, *, as_published: bool = False) -> Alignment:
        """From the (windows, 31) logits of those who speak; the published protocol knows no offset."""
        offset, confidence = offset_of(delays)
        strayed = offset if not is_tolerated(offset) and confidence >= rules.sure_offset else None
        if as_published:
            return cls(offset, confidence, 0, strayed)
        if strayed is not None and is_tolerated(strayed, within=RESOLUTION):
            return cls(offset, confidence, strayed, None)
        return cls(offset, confidence, tolerated_offset(delays), strayed)
