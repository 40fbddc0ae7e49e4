"""The segments of one clip before its request is answered, for whoever follows it.

While lips and voice are compared, whole segments are scored from the offset that fits best so far, of the
first face in view at a time; that changes nothing of what is found in the end. Once all has been compared the
offset and the speakers are known, and segments have their scores; once the face has been looked at, they
have their probability as well, and are no longer preliminary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outofsync.appearance.schedule import known_until, spread, starts_of
from outofsync.clip import Clip, Track
from outofsync.constants import WINDOW_FRAMES
from outofsync.findings import Alignment, TrackFinding, elsewhere, shared_time
from outofsync.judgement import scored_segment
from outofsync.scoring.abstention import Abstention
from outofsync.scoring.calibration import Calibration
from outofsync.scoring.evidence import Evidence
from outofsync.scoring.score import Scorer, Segment, SegmentScore
from outofsync.segment_file import SegmentFile
from outofsync.synchrony.interface import SyncOutput, joined

STRETCHES = 5  # of a face between two looks at which segments that completes


@dataclass(frozen=True)
class Rules:
    """What the node judges by."""

    scorer: Scorer
    lam: float
    calibration: Calibration | None
    abstention: Abstention
    looks: bool  # whether it has a face network


@dataclass
class _Compared:
    """What is known of one track while it is compared."""

    first: int  # window of the first that is not scored yet
    waiting: SyncOutput | None = None  # the windows from there on
    delays: list[NDArray[np.float32]] = field(default_factory=list)


@dataclass
class _Scored:
    """A speaker's segments at the offset that the video is judged at."""

    offset: int
    bounds: Sequence[tuple[int, int]]
    scores: Sequence[SegmentScore]
    aligned: NDArray[np.float32]
    told: int = 0  # segments that are no longer preliminary


class Preview:
    """Tells of one clip's segments as they become known."""

    def __init__(self, clip: Clip, file: SegmentFile, rules: Rules) -> None:
        self._clip = clip
        self._file = file
        self._rules = rules
        self._lam = rules.lam if clip.options.lam is None else clip.options.lam
        self._compared: dict[int, _Compared] = {}
        self._scored: dict[int, _Scored] = {}

    def compared(self, number: int, output: SyncOutput) -> None:
        """The next windows of the clip's track of this number."""
        track, longest = self._clip.tracks[number], self._clip.options.max_len
        if number not in self._compared:
            others = [self._clip.tracks[other] for other in self._compared]
            if any(shared_time(track, other) > 0.5 for other in others):
                return  # two faces, of which one speaks; which of them, the whole will tell
        known = self._compared.setdefault(number, _Compared(0))
        known.delays.append(output.delays)
        known.waiting = joined(known.waiting, output)
        count = len(known.waiting.delays) // longest
        if not count or longest < 2:
            return
        heard = np.concatenate([part for one in self._compared.values() for part in one.delays])
        reference = self._clip.options.mode == "reference"
        offset = Alignment.of(heard, self._rules.abstention, as_published=reference).judged
        aligned = known.waiting.aligned(offset)
        features = self._rules.scorer.project(aligned.features[: count * longest])
        bounds = [(place * longest, (place + 1) * longest) for place in range(count)]
        segments = [Segment(aligned.delays[start:stop], features[start:stop]) for start, stop in bounds]
        told = [
            self._described(
                track,
                known.first + start,
                known.waiting.delays[start:stop],
                score,
                Evidence.of(
                    aligned.delays[start:stop],
                    score,
                    None,
                    elsewhere(known.waiting.curve(start, stop), offset, len(heard)),
                ),
                preliminary=True,
            )
            for (start, stop), score in zip(bounds, self._rules.scorer.score_segments(segments), strict=True)
        ]
        known.first += count * longest
        known.waiting = known.waiting.between(count * longest)
        self._file.tell(told)

    def scored(
        self,
        speakers: Sequence[TrackFinding],
        offset: int,
        scores: Sequence[tuple[Sequence[tuple[int, int]], Sequence[SegmentScore]]],
    ) -> None:
        """All speakers' segments and their scores at the offset that the video is judged at."""
        told = []
        for finding, (bounds, found) in zip(speakers, scores, strict=True):
            aligned = finding.output.aligned(offset).delays
            kept = self._scored[finding.track.id] = _Scored(offset, bounds, found, aligned)
            told += self._of(finding, kept, 0, len(bounds), None, preliminary=self._looks)
        self._file.tell(sorted(told, key=lambda one: (one["start"], one["track"])), anew=True)

    def looked(self, finding: TrackFinding, logits: Sequence[float]) -> None:
        """What the face network has said of the first stretches of a speaker."""
        kept, frames = self._scored[finding.track.id], len(finding.track.frames)
        starts = starts_of(frames)
        if len(logits) % STRETCHES and len(logits) < len(starts):
            return
        until = known_until(starts, len(logits), frames)
        ready = kept.told
        while ready < len(kept.bounds) and kept.bounds[ready][1] + WINDOW_FRAMES - 1 <= until:
            ready += 1
        generated = spread(logits, starts[: len(logits)], until)
        self._file.tell(self._of(finding, kept, kept.told, ready, generated, preliminary=False))
        kept.told = ready

    @property
    def _looks(self) -> bool:
        return self._rules.looks and self._clip.options.mode == "full"

    def _of(
        self,
        finding: TrackFinding,
        kept: _Scored,
        first: int,
        last: int,
        generated: NDArray[np.float32] | None,
        *,
        preliminary: bool,
    ) -> list[dict[str, Any]]:
        """The segments from one number to another."""
        bounds, scores = kept.bounds[first:last], kept.scores[first:last]
        evidence = finding.evidence(kept.offset, kept.aligned, bounds, scores, generated)
        return [
            self._described(
                finding.track, start, finding.delays[start:stop], score, each, preliminary=preliminary
            )
            for (start, stop), score, each in zip(bounds, scores, evidence, strict=True)
        ]

    def _described(
        self,
        track: Track,
        first: int,
        delays: NDArray[np.float32],
        score: SegmentScore,
        evidence: Evidence,
        *,
        preliminary: bool,
    ) -> dict[str, Any]:
        """A segment as results have it; while the face has not been looked at, by lips and voice alone."""
        calibration = self._rules.calibration
        segment = scored_segment(
            track,
            first,
            delays,
            score,
            evidence,
            self._lam,
            calibration,
            faceless=preliminary and self._looks,
        )
        return {**vars(segment), "preliminary": preliminary}
