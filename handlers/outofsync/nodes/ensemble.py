"""Node 2: clips in, results out."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from outofsync.checkpoints.store import Checkpoint
from outofsync.clip import Clip, is_clip
from outofsync.constants import SAMPLES_PER_FRAME
from outofsync.faces import FaceDetector, RetinaFaceDetector
from outofsync.judgement import Judgement, TrackFinding
from outofsync.limits import Limits
from outofsync.nodes.outcome import Outcome, Outcomes
from outofsync.nodes.request import Failure, Request, attempt
from outofsync.options import Options
from outofsync.preparation import prepare
from outofsync.scoring.abstention import Abstention
from outofsync.scoring.calibration import Calibration
from outofsync.scoring.score import Scorer, Segment, load_scorer
from outofsync.spool import Spool
from outofsync.synchrony.activity import mouth_motion
from outofsync.synchrony.interface import SyncInput, SyncNetwork
from outofsync.synchrony.registry import load_sync
from outofsync.timing import StageTotals, Stopwatch


class EnsembleNode:
    """Synchronisation network, regressors and calibration over a whole batch."""

    def __init__(
        self,
        network: SyncNetwork,
        scorer: Scorer,
        detector: FaceDetector,
        *,
        lam: float,
        calibration: Calibration | None,
        abstention: Abstention,
        limits: Limits,
        model: dict[str, str],
        spool: Spool | None = None,
    ) -> None:
        """With a spool, :meth:`run` also takes clips that lie in it."""
        self._network = network
        self._scorer = scorer
        self._detector = detector
        self._lam = lam
        self._calibration = calibration
        self._abstention = abstention
        self._limits = limits
        self._model = model
        self._spool = spool
        self.totals = StageTotals()
        self.outcomes = Outcomes()

    @classmethod
    def load(cls, model_dir: Path, device: str, settings: dict[str, Any], spool: Spool | None = None) -> Self:
        """Read both checkpoints; ``settings`` may hold ``threads``, ``limits`` and ``precision``."""
        sync = Checkpoint.load(model_dir / "sync.safetensors", kind="sync")
        scoring = Checkpoint.load(model_dir / "scoring.safetensors", kind="scoring")
        calibration = scoring.config.get("calibration")
        return cls(
            load_sync(sync, device, settings.get("precision") or "float32"),
            load_scorer(scoring, device),
            RetinaFaceDetector(threads=settings.get("threads") or 1),
            lam=float(scoring.config["lam"]),
            calibration=Calibration.from_dict(calibration) if calibration else None,
            abstention=Abstention.from_dict(scoring.config.get("abstention") or {}),
            limits=Limits.from_settings(settings.get("limits")),
            model={
                "version": scoring.version,
                "sync_sha256": sync.sha256,
                "scoring_sha256": scoring.sha256,
            },
            spool=spool,
        )

    def run(self, requests: Sequence[Request]) -> list[bytes]:
        """A result (JSON) for each clip or video, in order; one that failed gets the error envelope."""
        outcomes = [attempt(request, self._read) for request in requests]
        clips = [outcome for outcome in outcomes if isinstance(outcome, Clip)]
        try:
            results = iter(self._answers(clips))
            for clip in clips:
                clip.discard()
        finally:
            for clip in clips:
                clip.close()
        for outcome, request in zip(outcomes, requests, strict=True):
            if isinstance(outcome, Failure) and not outcome.passed_on:
                failed = Outcome.of_error(
                    outcome.error, request_id=request.request_id, crashed=outcome.crashed
                )
                self.outcomes.add(failed)
        return [
            json.dumps({"error": outcome.error}).encode() if isinstance(outcome, Failure) else next(results)
            for outcome in outcomes
        ]

    def judge(self, clips: Sequence[Clip]) -> list[dict[str, Any]]:
        """A result as plain JSON types for each clip that holds no error, in order."""
        return [
            self._judgement(clip, findings).result()
            for clip, findings in zip(clips, self.findings(clips), strict=True)
        ]

    def findings(self, clips: Sequence[Clip]) -> list[list[TrackFinding]]:
        """What the networks say about every track of every clip, each network called once."""
        watch = Stopwatch()
        tracks = [(clip, track) for clip in clips for track in clip.tracks]
        with watch.stage("synchrony"):
            outputs = self._network.evaluate(
                [
                    SyncInput(track.frames, clip.audio[track.start * SAMPLES_PER_FRAME :])
                    for clip, track in tracks
                ],
                watch=watch,
            )
        with watch.stage("regressors"):
            projected = [self._scorer.project(output.features) for output in outputs]
        with watch.stage("motion"):
            motions = [mouth_motion(track.frames) for _, track in tracks]
        found = [
            TrackFinding(track, output.delays, features, motion)
            for (_, track), output, features, motion in zip(tracks, outputs, projected, motions, strict=True)
        ]
        with watch.stage("regressors"):
            self._score(found, [clip.options.max_len for clip, _ in tracks])
        self.totals.add(watch.timing_ms)
        for clip in clips:
            clip.timing_ms |= watch.timing_ms
        grouped = iter(found)
        return [[next(grouped) for _ in clip.tracks] for clip in clips]

    def _answers(self, clips: Sequence[Clip]) -> list[bytes]:
        """Results as JSON, with the time that writing them took."""
        answers = []
        for clip, findings in zip(clips, self.findings(clips), strict=True):
            watch = Stopwatch()
            with watch.stage("serialise"):
                result = self._judgement(clip, findings).result()
                del result["timing_ms"]
                written = json.dumps(result, allow_nan=False)
            self.totals.add(watch.timing_ms)
            timing = json.dumps(clip.timing_ms | watch.timing_ms)
            reasons = tuple(str(reason["code"]) for reason in result["reasons"])
            self.outcomes.add(Outcome(clip.request_id, result["verdict"], reasons, timing_ms=watch.timing_ms))
            answers.append(f'{written[:-1]}, "timing_ms": {timing}}}'.encode())
        return answers

    def _judgement(self, clip: Clip, findings: Sequence[TrackFinding]) -> Judgement:
        return Judgement(
            clip, findings, lam=self._lam, calibration=self._calibration, abstention=self._abstention
        )

    def _read(self, request: Request) -> Clip | Failure:
        """A clip as the first node left it, or a video prepared here without deblurring."""
        if is_clip(request.data):
            watch = Stopwatch()
            arrived_s = time.time()
            with watch.stage("read"):
                clip = Clip.from_bytes(request.data, self._spool)
            if clip.error is not None:
                return Failure(clip.error, passed_on=True)
            own = watch.timing_ms
            if clip.handed_on_s:
                own["handover"] = round(max(0.0, arrived_s - clip.handed_on_s) * 1000.0, 3)
            self.totals.add(own)
            clip.timing_ms |= own
        else:
            options = Options.parse(request.options)
            arrival = request.arrival()
            clip = prepare(request.data, options, self._limits, self._detector)
            clip.deblur = {"applied": False, "frames": 0, "sharpness_before": None, "sharpness_after": None}
            clip.request_id = request.request_id
            clip.timing_ms |= arrival
            self.totals.add(clip.timing_ms)
        clip.models["ensemble"] = self._model
        return clip

    def _score(self, findings: Sequence[TrackFinding], longest: Sequence[int]) -> None:
        """Score the segments of all tracks in one call."""
        segments = [
            Segment(finding.delays[start:stop], finding.features[start:stop])
            for finding, most in zip(findings, longest, strict=True)
            for start, stop in finding.bounds(most)
        ]
        scores = iter(self._scorer.score_segments(segments))
        for finding, most in zip(findings, longest, strict=True):
            finding.add_scores([next(scores) for _ in finding.bounds(most)], most)
