"""Node 2: clips in, results out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from outofsync.checkpoints.store import Checkpoint
from outofsync.clip import Clip, is_clip
from outofsync.constants import SAMPLES_PER_FRAME
from outofsync.faces import FaceDetector, RetinaFaceDetector
from outofsync.judgement import Judgement, TrackFinding
from outofsync.limits import Limits
from outofsync.nodes.request import Failure, Request, attempt
from outofsync.options import Options
from outofsync.preparation import prepare
from outofsync.scoring.abstention import Abstention
from outofsync.scoring.calibration import Calibration
from outofsync.scoring.score import Scorer, Segment, load_scorer
from outofsync.synchrony.activity import mouth_motion
from outofsync.synchrony.interface import SyncInput, SyncNetwork
from outofsync.synchrony.registry import load_sync
from outofsync.timing import Stopwatch


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
    ) -> None:
        self._network = network
        self._scorer = scorer
        self._detector = detector
        self._lam = lam
        self._calibration = calibration
        self._abstention = abstention
        self._limits = limits
        self._model = model

    @classmethod
    def load(cls, model_dir: Path, device: str, settings: dict[str, Any]) -> Self:
        """Read both checkpoints of the folder; ``settings`` may hold ``threads`` and ``limits``."""
        sync = Checkpoint.load(model_dir / "sync.safetensors", kind="sync")
        scoring = Checkpoint.load(model_dir / "scoring.safetensors", kind="scoring")
        calibration = scoring.config.get("calibration")
        return cls(
            load_sync(sync, device),
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
        )

    def run(self, requests: Sequence[Request]) -> list[bytes]:
        """A result (JSON) for each clip or video, in order; one that failed gets the error envelope."""
        outcomes = [attempt(request, self._read) for request in requests]
        clips = [outcome for outcome in outcomes if isinstance(outcome, Clip)]
        results = iter(self.judge(clips))
        answers = [
            {"error": outcome.error} if isinstance(outcome, Failure) else next(results)
            for outcome in outcomes
        ]
        return [json.dumps(answer, allow_nan=False).encode() for answer in answers]

    def judge(self, clips: Sequence[Clip]) -> list[dict[str, Any]]:
        """A result as plain JSON types for each clip that holds no error, in order."""
        return [
            Judgement(
                clip, findings, lam=self._lam, calibration=self._calibration, abstention=self._abstention
            ).result()
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
                ]
            )
        found = [
            TrackFinding(
                track, output.delays, self._scorer.project(output.features), mouth_motion(track.frames)
            )
            for (_, track), output in zip(tracks, outputs, strict=True)
        ]
        with watch.stage("scoring"):
            self._score(found, [clip.options.max_len for clip, _ in tracks])
        for clip in clips:
            clip.timing_ms |= watch.timing_ms
        grouped = iter(found)
        return [[next(grouped) for _ in clip.tracks] for clip in clips]

    def _read(self, request: Request) -> Clip | Failure:
        """A clip as the first node left it, or a video prepared here without deblurring."""
        if is_clip(request.data):
            clip = Clip.from_bytes(request.data)
            if clip.error is not None:
                return Failure(clip.error)
        else:
            options = Options.parse(request.options)
            clip = prepare(request.data, options, self._limits, self._detector)
            clip.deblur = {"applied": False, "frames": 0, "sharpness_before": None, "sharpness_after": None}
            clip.request_id = request.request_id
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
