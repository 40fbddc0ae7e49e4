"""From what the networks say about a clip's tracks to the result a caller reads."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from outofsync.clip import Clip, Track
from outofsync.constants import FRAME_RATE, WINDOW_FRAMES
from outofsync.findings import Alignment, TrackFinding, evidence_of, speakers
from outofsync.frames import JpegFrames
from outofsync.reasons import Reason
from outofsync.result import FaceTrack, Result, ScoredSegment, Still
from outofsync.scoring.abstention import Abstention
from outofsync.scoring.calibration import Assessment, Calibration
from outofsync.scoring.evidence import Evidence
from outofsync.scoring.loudness import is_silent
from outofsync.scoring.offset import offset_of
from outofsync.scoring.score import SegmentScore
from outofsync.scoring.verdict import SYNCHRONY, Verdict, inconclusive, judge

DEFAULT_RULES = Abstention()
DECIMALS = 6  # finer than anything measured here, coarser than rounding in the networks


class Judgement:
    """Puts one clip's findings together."""

    def __init__(
        self,
        clip: Clip,
        findings: Sequence[TrackFinding],
        alignment: Alignment | None,
        *,
        lam: float,
        calibration: Calibration | None,
        abstention: Abstention = DEFAULT_RULES,
    ) -> None:
        """``alignment`` is that of the faces that speak, who have readings at its offsets; or None."""
        self._abstention = abstention
        self._alignment = alignment
        self._clip = clip
        self._findings = findings
        self._calibration = calibration
        self._lam = lam if clip.options.lam is None else clip.options.lam
        self._speakers = speakers(findings)
        offsets = alignment.offsets if alignment else ()
        self._whole = {offset: evidence_of(self._speakers, offset) for offset in offsets}
        self._overall = self._whole[alignment.judged] if alignment else None

    def result(self) -> Result:
        """The result; rounding keeps it free of the last bits of float arithmetic."""
        clip, alignment, overall = self._clip, self._alignment, self._overall
        score = self._score()
        assessment = self._assessed(alignment.judged) if alignment else None
        verdict = self._verdict(score, assessment)
        segments = self._segments()
        best = next(iter(self._speakers), None)
        asked = clip.options.include if best else ()
        delays = best.delays if best and "delays" in asked else None
        features = best.features if best and "features" in asked else None
        return Result(
            id=clip.digest,
            verdict=verdict.word,
            label=verdict.label,
            probability_fake=_round(verdict.probability),
            probability_aligned=_round(verdict.aligned),
            parts={name: round(value, DECIMALS) for name, value in verdict.parts.items()},
            score=score,
            delay_score=_round(overall.delay_score if overall else None),
            feature_score=_round(overall.feature_score if overall else None),
            offset_frames=alignment.offset if alignment else None,
            offset_confidence=_round(alignment.confidence if alignment else None),
            judged_offset_frames=alignment.judged if alignment else None,
            lam=self._lam,
            reasons=(*clip.reasons, *(reason.stated for reason in verdict.reasons)),
            segments=segments,
            tracks=tuple(self._track(finding) for finding in self._findings),
            media=clip.media,
            deblur=clip.deblur,
            models=clip.models,
            timing_ms=clip.timing_ms,
            delays_start=_seconds(best.track.start) if best and delays is not None else None,
            delays=None if delays is None else _rounded(delays, 4),
            features=None if features is None else _rounded(features, 4),
            frames=tuple(map(self._still, segments)) if "frames" in asked else None,
        )

    def _score(self) -> float | None:
        """The published score of the whole video; None where there was nothing to measure."""
        overall = self._overall
        return _round(overall.delay_score + self._lam * overall.feature_score) if overall else None

    def _assessed(self, offset: int) -> Assessment | None:
        if self._calibration is None:
            return None
        segments = [part for finding in self._speakers for part in finding.readings[offset].evidence]
        return self._calibration.video(self._whole[offset], segments)

    def _verdict(self, score: float | None, assessment: Assessment | None) -> Verdict:
        if not self._findings:
            return inconclusive()  # the clip says already that it shows no face
        if is_silent(self._clip.audio, self._abstention):
            return inconclusive(Reason.SILENCE)
        if self._alignment is None or self._overall is None or score is None:
            return inconclusive(Reason.TOO_SHORT)
        if all(finding.motion < self._abstention.still_below for finding in self._speakers):
            return inconclusive(Reason.NOBODY_SPEAKING)
        elsewhere = self._alignment.elsewhere
        return judge(
            score,
            assessment,
            self._calibration,
            self._alignment,
            self._overall.fit,
            None if elsewhere is None else self._assessed(elsewhere),
        )

    def _segments(self) -> tuple[ScoredSegment, ...]:
        """Scored stretches of the speakers in order of time."""
        if self._alignment is None:
            return ()
        segments = []
        for finding in self._speakers:
            reading = finding.readings[self._alignment.judged]
            for (start, stop), score, evidence in zip(
                reading.bounds, reading.scores, reading.evidence, strict=True
            ):
                segments.append(
                    scored_segment(
                        finding.track,
                        start,
                        finding.delays[start:stop],
                        score,
                        evidence,
                        self._lam,
                        self._calibration,
                    )
                )
        return tuple(sorted(segments, key=lambda segment: (segment.start, segment.track)))

    def _track(self, finding: TrackFinding) -> FaceTrack:
        """Where and when a face was seen, and whether it speaks."""
        track = finding.track
        asked = "tracks" in self._clip.options.include
        return FaceTrack(
            id=track.id,
            start=_seconds(track.start),
            end=_seconds(track.stop),
            speaking=any(finding is speaker for speaker in self._speakers),
            box=tuple(round(float(edge), 1) for edge in track.boxes.mean(0)),
            boxes=_rounded(track.boxes, 1) if asked else None,
        )

    def _still(self, segment: ScoredSegment) -> Still:
        """The face in the middle of a segment."""
        track = next(track for track in self._clip.tracks if track.id == segment.track)
        number = round((segment.start + segment.end) / 2 * FRAME_RATE) - track.start
        frame = track.frames.read(number, number + 1)[0]
        return Still(
            time=_seconds(track.start + number),
            track=track.id,
            jpeg=base64.b64encode(JpegFrames.encode(frame)).decode(),
        )


def scored_segment(
    track: Track,
    first: int,
    delays: NDArray[np.floating],
    score: SegmentScore,
    evidence: Evidence,
    lam: float,
    calibration: Calibration | None,
    *,
    faceless: bool = False,
) -> ScoredSegment:
    """A segment as a caller reads it: from its track's window ``first`` on, as long as its ``delays``.

    ``faceless``: nobody has looked at the face, so that only lips and voice say how probable a forgery is.
    """
    assessed = calibration.segment(evidence) if calibration else None
    probability = assessed.probability if assessed else None
    if assessed and faceless:
        probability = assessed.parts.get(SYNCHRONY)
    return ScoredSegment(
        start=_seconds(track.start + first),
        end=_seconds(track.start + first + len(delays) + WINDOW_FRAMES - 1),
        track=track.id,
        score=round(score.total(lam), DECIMALS),
        probability_fake=_round(probability),
        peak_delay=offset_of(delays)[0],
    )


def _seconds(frames: int) -> float:
    return round(frames / FRAME_RATE, 3)


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, DECIMALS)


def _rounded(values: NDArray[np.floating], decimals: int) -> NDArray[np.float64]:
    """Arrays in fewer decimals: there are many numbers, and nobody reads more of each."""
    return values.astype(np.float64).round(decimals)
