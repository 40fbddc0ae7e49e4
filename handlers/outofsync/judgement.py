"""From what the networks say about a clip's tracks to the result a caller reads (DESIGN: Result)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outofsync.clip import Clip, Track
from outofsync.constants import FRAME_RATE, WINDOW_FRAMES
from outofsync.frames import JpegFrames
from outofsync.result import Reason
from outofsync.scoring.abstention import Abstention
from outofsync.scoring.calibration import Calibration
from outofsync.scoring.evidence import Evidence, offset_of
from outofsync.scoring.score import SegmentScore
from outofsync.scoring.segments import segment_bounds
from outofsync.scoring.verdict import Verdict, inconclusive, judge

DEFAULT_RULES = Abstention()
_SHARED_TIME = 0.5  # tracks that share more of their time show two faces, of which one speaks


@dataclass
class TrackFinding:
    """Everything found out about one track."""

    track: Track
    delays: NDArray[np.float32]  # (windows, 31)
    features: NDArray[np.float64]  # (windows, 31), projected
    motion: float  # mean change of the mouth picture
    scores: list[SegmentScore] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)

    @property
    def windows(self) -> int:
        return len(self.delays)

    def bounds(self, longest: int) -> list[tuple[int, int]]:
        """Segments of at least two windows; one window leaves no step to score."""
        return segment_bounds(self.windows, longest) if self.windows >= 2 else []

    def add_scores(self, scores: Sequence[SegmentScore], longest: int) -> None:
        self.scores = list(scores)
        self.evidence = [
            Evidence.of(self.delays[start:stop], score)
            for (start, stop), score in zip(self.bounds(longest), self.scores, strict=True)
        ]

    @property
    def agreement(self) -> float:
        """How strongly this face moves with the voice at whatever delay: what tells the speaker."""
        return float(sum(part.contrast for part in self.evidence))


def speakers(findings: Sequence[TrackFinding]) -> list[TrackFinding]:
    """The faces that speak, best first; of those in view at one time, the one that agrees most."""
    chosen: list[TrackFinding] = []
    for finding in sorted(findings, key=lambda finding: finding.agreement, reverse=True):
        if finding.scores and all(
            _shared_time(finding.track, other.track) <= _SHARED_TIME for other in chosen
        ):
            chosen.append(finding)
    return chosen


def _shared_time(first: Track, second: Track) -> float:
    """Frames in which both are in view, over the length of the shorter track."""
    shared = min(first.stop, second.stop) - max(first.start, second.start)
    return max(0, shared) / min(len(first.frames), len(second.frames))


def loudness(audio: NDArray[np.int16]) -> float:
    """Root mean square of the loudest half second, in int16 units."""
    block = 8_000
    blocks = [
        audio[start : start + block].astype(np.float64) for start in range(0, max(1, audio.size), block)
    ]
    return max(float(np.sqrt(np.mean(part**2))) if part.size else 0.0 for part in blocks)


class Judgement:
    """Puts one clip's findings together."""

    def __init__(
        self,
        clip: Clip,
        findings: Sequence[TrackFinding],
        *,
        lam: float,
        calibration: Calibration | None,
        abstention: Abstention = DEFAULT_RULES,
    ) -> None:
        self._abstention = abstention
        self._clip = clip
        self._findings = findings
        self._calibration = calibration
        self._lam = lam if clip.options.lam is None else clip.options.lam
        self._speakers = speakers(findings)

    def result(self) -> dict[str, Any]:
        """The result as plain JSON types; rounding keeps it free of the last bits of float arithmetic."""
        clip = self._clip
        measured = self._measured()
        verdict = self._verdict(measured)
        chosen = [finding.track.id for finding in self._speakers]
        result: dict[str, Any] = {
            "id": clip.digest,
            "verdict": verdict.word,
            "label": verdict.label,
            "probability_fake": _round(verdict.probability),
            **measured,
            "lam": self._lam,
            "reasons": clip.reasons + [reason.to_dict() for reason in verdict.reasons],
            "segments": self._segments(),
            "tracks": [self._track(finding, finding.track.id in chosen) for finding in self._findings],
            "media": clip.media,
            "deblur": clip.deblur,
            "models": clip.models,
            "timing_ms": clip.timing_ms,
        }
        return result | self._asked_for()

    def _measured(self) -> dict[str, Any]:
        """The numbers of the whole video; null where there was nothing to measure."""
        if not self._speakers:
            names = ("score", "delay_score", "feature_score", "offset_frames", "offset_confidence")
            return dict.fromkeys(names)
        overall = self._overall()
        offset, confidence = offset_of(np.concatenate([finding.delays for finding in self._speakers]))
        return {
            "score": _round(overall.delay_score + self._lam * overall.feature_score),
            "delay_score": _round(overall.delay_score),
            "feature_score": _round(overall.feature_score),
            "offset_frames": offset,
            "offset_confidence": _round(confidence),
        }

    def _overall(self) -> Evidence:
        """Evidence of all that the speakers say, weighted by the steps it rests on."""
        parts = [part for finding in self._speakers for part in finding.evidence]
        steps = [len(score.delay_steps) for finding in self._speakers for score in finding.scores]
        return Evidence.mean(parts, steps)

    def _verdict(self, measured: dict[str, Any]) -> Verdict:
        if not self._findings:
            return inconclusive()  # the clip says already that it shows no face
        if loudness(self._clip.audio) < self._abstention.silent_below:
            return inconclusive(Reason.SILENCE)
        if not self._speakers:
            return inconclusive(Reason.TOO_SHORT)
        if all(finding.motion < self._abstention.still_below for finding in self._speakers):
            return inconclusive(Reason.NOBODY_SPEAKING)
        return judge(
            self._overall(),
            measured["score"],
            measured["offset_frames"],
            measured["offset_confidence"],
            self._calibration,
            self._abstention,
        )

    def _segments(self) -> list[dict[str, Any]]:
        """Scored stretches of the speakers in order of time; start and end in seconds."""
        segments = []
        for finding in self._speakers:
            bounds = finding.bounds(self._clip.options.max_len)
            for (start, stop), score, evidence in zip(bounds, finding.scores, finding.evidence, strict=True):
                probability = self._calibration.probability(evidence) if self._calibration else None
                segments.append(
                    {
                        "start": _seconds(finding.track.start + start),
                        "end": _seconds(finding.track.start + stop + WINDOW_FRAMES - 1),
                        "track": finding.track.id,
                        "score": _round(score.total(self._lam)),
                        "probability_fake": _round(probability),
                        "peak_delay": offset_of(finding.delays[start:stop])[0],
                    }
                )
        return sorted(segments, key=lambda segment: (segment["start"], segment["track"]))

    def _track(self, finding: TrackFinding, speaking: bool) -> dict[str, Any]:
        """Where and when a face was seen; ``box`` is its mean crop in pixels."""
        track = finding.track
        facts: dict[str, Any] = {
            "id": track.id,
            "start": _seconds(track.start),
            "end": _seconds(track.stop),
            "speaking": speaking,
            "box": [round(float(edge), 1) for edge in track.boxes.mean(0)],
        }
        if "tracks" in self._clip.options.include:
            facts["boxes"] = np.round(track.boxes.astype(float), 1).tolist()
        return facts

    def _asked_for(self) -> dict[str, Any]:
        """The arrays of the face that decided: a row for each window, the first one at ``delays_start``."""
        if not self._speakers:
            return {}
        best, include = self._speakers[0], self._clip.options.include
        asked: dict[str, Any] = {}
        if "delays" in include:
            asked["delays_start"] = _seconds(best.track.start)
            asked["delays"] = np.round(best.delays.astype(float), 4).tolist()
        if "features" in include:
            asked["features"] = np.round(best.features, 4).tolist()
        if "frames" in include:
            asked["frames"] = [self._still(segment) for segment in self._segments()]
        return asked

    def _still(self, segment: dict[str, Any]) -> dict[str, Any]:
        """The face in the middle of a segment: a JPEG in base64."""
        track = next(track for track in self._clip.tracks if track.id == segment["track"])
        number = round((segment["start"] + segment["end"]) / 2 * FRAME_RATE) - track.start
        frame = track.frames.read(number, number + 1)[0]
        return {
            "time": _seconds(track.start + number),
            "track": track.id,
            "jpeg": base64.b64encode(JpegFrames.encode(frame)).decode(),
        }


def _seconds(frames: int) -> float:
    return round(frames / FRAME_RATE, 3)


def _round(value: float | None) -> float | None:
    """Six decimals: finer than anything measured here, coarser than rounding in the networks."""
    return None if value is None else round(value, 6)
