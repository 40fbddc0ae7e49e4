"""Node 2: clips in, results out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

from outofsync.appearance.schedule import FaceJudge
from outofsync.checkpoints.store import Checkpoint
from outofsync.clip import Clip, is_clip
from outofsync.faces import FaceDetector, RetinaFaceDetector
from outofsync.findings import Alignment, TrackFinding
from outofsync.judgement import Judgement
from outofsync.limits import Limits
from outofsync.nodes.networks import Networks
from outofsync.nodes.outcome import Outcome, Tally
from outofsync.nodes.preview import Preview, Rules
from outofsync.nodes.request import Failure, Request, attempt
from outofsync.options import Options
from outofsync.preparation import prepare
from outofsync.progress import NOBODY, AbandonedError, Progress, SharedProgress, Step
from outofsync.result import Result
from outofsync.scoring.abstention import Abstention
from outofsync.scoring.calibration import Calibration
from outofsync.scoring.score import Scorer, load_scorer
from outofsync.spool import Spool
from outofsync.synchrony.interface import SyncNetwork
from outofsync.synchrony.registry import load_sync
from outofsync.timing import Stopwatch


class EnsembleNode:
    """Synchronisation network, regressors, face network and calibration over a whole batch."""

    def __init__(
        self,
        network: SyncNetwork,
        scorer: Scorer,
        detector: FaceDetector,
        face: FaceJudge | None = None,
        *,
        lam: float,
        calibration: Calibration | None,
        abstention: Abstention,
        limits: Limits,
        model: dict[str, str],
        spool: Spool | None = None,
    ) -> None:
        """With a spool, :meth:`run` also takes clips that lie in it; published weights have no ``face``."""
        self._networks = Networks(network, scorer, face, abstention)
        self._rules = Rules(scorer, lam, calibration, abstention, looks=face is not None)
        self._detector = detector
        self._lam = lam
        self._calibration = calibration
        self._abstention = abstention
        self._limits = limits
        self._model = model
        self._spool = spool
        self.tally = Tally()

    @classmethod
    def load(cls, model_dir: Path, device: str, settings: dict[str, Any], spool: Spool | None = None) -> Self:
        """Read both checkpoints; ``settings`` may hold ``threads``, ``limits`` and ``precision``."""
        sync = Checkpoint.load(model_dir / "sync.safetensors", kind="sync")
        scoring = Checkpoint.load(model_dir / "scoring.safetensors", kind="scoring")
        fitted = scoring.config.get("calibration")
        calibration = Calibration.from_dict(fitted) if fitted else None
        path = model_dir / "face.safetensors"
        face = Checkpoint.load(path, kind="face") if path.is_file() else None
        return cls(
            load_sync(sync, device, settings.get("precision") or "float32"),
            load_scorer(scoring, device),
            RetinaFaceDetector(threads=settings.get("threads") or 1),
            FaceJudge.from_checkpoint(face, device) if face else None,
            lam=float(scoring.config["lam"]),
            calibration=calibration,
            abstention=Abstention.from_dict(scoring.config.get("abstention") or {}),
            limits=Limits.from_settings(settings.get("limits")),
            model={
                "version": scoring.version,
                "sync_sha256": sync.sha256,
                "scoring_sha256": scoring.sha256,
                "face_sha256": face.sha256 if face else "",
                "calibration": calibration.name if calibration else "none",
            },
            spool=spool,
        )

    def run(self, requests: Sequence[Request]) -> list[bytes]:
        """A result (JSON) for each clip or video, in order; one that failed gets the error envelope."""
        tally = Tally()
        outcomes = [attempt(request, partial(self._read, tally=tally)) for request in requests]
        pairs = [
            (outcome, request.progress)
            for outcome, request in zip(outcomes, requests, strict=True)
            if isinstance(outcome, Clip)
        ]
        clips = [clip for clip, _ in pairs]
        results: Iterator[bytes] = iter(())
        try:
            results = iter(self._answers(clips, tally, [progress for _, progress in pairs]))
            _discard(clips)
        except AbandonedError as error:  # by all of them
            _discard(clips)
            outcomes = [_abandoned(outcome, error) for outcome in outcomes]
        finally:
            for clip in clips:
                clip.close()
        for outcome in outcomes:
            if isinstance(outcome, Failure) and not outcome.passed_on:
                tally.tell(Outcome.of_error(outcome.error, decoder=outcome.decoder))
        self.tally.add(tally)
        return [
            json.dumps({"error": outcome.error}).encode() if isinstance(outcome, Failure) else next(results)
            for outcome in outcomes
        ]

    def judge(self, clips: Sequence[Clip]) -> list[Result]:
        """The result of each clip that holds no error, in order."""
        return [judgement.result() for judgement in self._judgements(clips, Stopwatch())]

    def _judgements(
        self, clips: Sequence[Clip], watch: Stopwatch, waiting: Sequence[Progress] = ()
    ) -> list[Judgement]:
        found = self.findings(clips, watch, SharedProgress(waiting), self._previews(clips, waiting))
        return [
            Judgement(
                clip,
                findings,
                alignment,
                lam=self._lam,
                calibration=self._calibration,
                abstention=self._abstention,
            )
            for clip, (findings, alignment) in zip(clips, found, strict=True)
        ]

    def _previews(self, clips: Sequence[Clip], waiting: Sequence[Progress]) -> list[Preview | None]:
        """What tells of each clip's segments, of those whose segments anybody wants to hear of."""
        return [
            Preview(clip, progress.segments, self._rules) if progress.segments.wanted else None
            for clip, progress in zip(clips, waiting or [NOBODY] * len(clips), strict=True)
        ]

    def findings(
        self,
        clips: Sequence[Clip],
        watch: Stopwatch | None = None,
        progress: Progress = NOBODY,
        previews: Sequence[Preview | None] = (),
    ) -> list[tuple[list[TrackFinding], Alignment | None]]:
        """What the networks say about every track of every clip, each network called once.

        Faces that speak are read from the offsets of their clip's alignment; it is None where nobody does.
        ``watch`` is told how long each stage took, all clips together; so is each clip. ``previews`` are
        told what is known of their clips, one for each clip, if there are any.
        Raises :class:`AbandonedError` where ``progress`` does.
        """
        return self._networks.findings(clips, watch or Stopwatch(), progress, previews or [None] * len(clips))

    def _answers(self, clips: Sequence[Clip], tally: Tally, waiting: Sequence[Progress]) -> list[bytes]:
        """Results as JSON, with the time that writing them took."""
        shared = Stopwatch()
        judgements = self._judgements(clips, shared, waiting)
        tally.spend(shared.timing_ms)
        answers = []
        for clip, judgement in zip(clips, judgements, strict=True):
            watch = Stopwatch()
            with watch.stage("serialise"):
                result = judgement.result()
                values = result.to_dict()
                del values["timing_ms"]
                written = json.dumps(values, allow_nan=False)
            tally.spend(watch.timing_ms)
            timing = json.dumps(clip.timing_ms | watch.timing_ms)
            reasons = tuple(reason.code for reason in result.reasons)
            tally.tell(Outcome(clip.request_id, result.verdict, reasons, timing_ms=watch.timing_ms))
            answers.append(f'{written[:-1]}, "timing_ms": {timing}}}'.encode())
        return answers

    def _read(self, request: Request, tally: Tally) -> Clip | Failure:
        """A clip as the first node left it, or a video prepared here without deblurring."""
        if is_clip(request.data):
            watch = Stopwatch()
            arrived_s = time.time()
            with watch.stage("read"):
                clip = Clip.from_bytes(request.data, self._spool)
                if clip.file is None:  # not from the node before, by way of the spool
                    clip.verify()
            if clip.error is not None:
                return Failure(clip.error, passed_on=True)
            _go_on(request, clip)
            own = watch.timing_ms
            if clip.handed_on_s:
                own["handover"] = round(max(0.0, arrived_s - clip.handed_on_s) * 1000.0, 3)
            tally.spend(own)
            clip.timing_ms |= own
        else:
            options = Options.parse(request.options)
            arrival = request.arrival()
            clip = prepare(request.data, options, self._limits, self._detector, progress=request.progress)
            clip.deblur = {"applied": False, "frames": 0, "sharpness_before": None, "sharpness_after": None}
            clip.request_id = request.request_id
            clip.timing_ms |= arrival
            tally.spend(clip.timing_ms)
        clip.models["ensemble"] = self._model
        return clip


def _go_on(request: Request, clip: Clip) -> None:
    """Raises :class:`AbandonedError` where nobody waits, and leaves nothing of the clip then."""
    try:
        request.progress.tell(Step.COMPARE)
    except AbandonedError:
        _discard([clip])
        clip.close()
        raise


def _abandoned(outcome: Clip | Failure, error: AbandonedError) -> Clip | Failure:
    """What becomes of a request whose clip was not looked at to the end."""
    return outcome if isinstance(outcome, Failure) else Failure(error.to_dict(outcome.request_id))


def _discard(clips: Sequence[Clip]) -> None:
    for clip in clips:
        clip.discard()
