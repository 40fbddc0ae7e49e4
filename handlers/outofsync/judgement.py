"""From what the networks say about a clip's tracks to the result a caller reads (DESIGN: Result)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outofsync.clip import Clip
from outofsync.constants import FRAME_RATE, WINDOW_FRAMES
from outofsync.findings import Alignment, TrackFinding, evidence_of, speakers
from outofsync.frames import JpegFrames
from outofsync.reasons import Reason
from outofsync.scoring.abstention import Abstention
from outofsync.scoring.calibration import Assessment, Calibration
from outofsync.scoring.offset import offset_of
from outofsync.scoring.verdict import Verdict, inconclusive, judge

DEFAULT_RULES = Abstention()


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

    def result(self) -> dict[str, Any]:
        """The result as plain JSON types; rounding keeps it free of the last bits of float arithmetic."""
        clip = self._clip
        measured = self._measured()
        assessment = self._assessed(self._alignment.judged) if self._alignment else None
        verdict = self._verdict(measured, assessment)
        chosen = [finding.track.id for finding in self._speakers]
        result: dict[str, Any] = {
            "id": clip.digest,
            "verdict": verdict.word,
            "label": verdict.label,
            "probability_fake": _round(verdict.probability),
            "probability_aligned": _round(verdict.aligned),
            "parts": {name: _round(value) for name, value in verdict.parts.items()},
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
        overall = self._overall
        if self._alignment is None or overall is None:
            names = ("score", "delay_score", "feature_score")
            offsets = ("offset_frames", "offset_confidence", "judged_offset_frames")
            return dict.fromkeys(names + offsets)
        return {
            "score": _round(overall.delay_score + self._lam * overall.feature_score),
            "delay_score": _round(overall.delay_score),
            "feature_score": _round(overall.feature_score),
            "offset_frames": self._alignment.offset,
            "offset_confidence": _round(self._alignment.confidence),
            "judged_offset_frames": self._alignment.judged,
        }

    def _assessed(self, offset: int) -> Assessment | None:
        if self._calibration is None:
            return None
        segments = [part for finding in self._speakers for part in finding.readings[offset].evidence]
        return self._calibration.video(self._whole[offset], segments)

    def _verdict(self, measured: dict[str, Any], assessment: Assessment | None) -> Verdict:
        if not self._findings:
            return inconclusive()  # the clip says already that it shows no face
        if loudness(self._clip.audio) < self._abstention.silent_below:
            return inconclusive(Reason.SILENCE)
        if self._alignment is None or self._overall is None:
            return inconclusive(Reason.TOO_SHORT)
        if all(finding.motion < self._abstention.still_below for finding in self._speakers):
            return inconclusive(Reason.NOBODY_SPEAKING)
        elsewhere = self._alignment.elsewhere
        return judge(
            measured["score"],
            assessment,
            self._calibration,
            self._alignment,
            self._overall.fit,
            None if elsewhere is None else self._assessed(elsewhere),
        )

    def _segments(self) -> list[dict[str, Any]]:
        """Scored stretches of the speakers in order of time; start and end in seconds."""
        if self._alignment is None:
            return []
        segments = []
        for finding in self._speakers:
            reading = finding.readings[self._alignment.judged]
            for (start, stop), score, evidence in zip(
                reading.bounds, reading.scores, reading.evidence, strict=True
            ):
                assessed = self._calibration.segment(evidence) if self._calibration else None
                segments.append(
                    {
                        "start": _seconds(finding.track.start + start),
                        "end": _seconds(finding.track.start + stop + WINDOW_FRAMES - 1),
                        "track": finding.track.id,
                        "score": _round(score.total(self._lam)),
                        "probability_fake": _round(assessed.probability if assessed else None),
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
        if "features" in include and best.features is not None:
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
