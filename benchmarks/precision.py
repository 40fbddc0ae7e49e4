"""What sixteen bits change in the answers: the shipped networks on the videos of ``samples/``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from outofsync.checkpoints.store import Checkpoint
from outofsync.clip import Clip
from outofsync.deblur.restorer import Restorer
from outofsync.faces import FaceDetector, RetinaFaceDetector
from outofsync.frames import Frames, RawFrames
from outofsync.limits import Limits
from outofsync.nodes import EnsembleNode
from outofsync.options import Options
from outofsync.preparation import prepare
from outofsync.runner import Precision
from outofsync.scoring.abstention import Abstention
from outofsync.scoring.calibration import Calibration
from outofsync.scoring.score import load_scorer
from outofsync.synchrony.registry import load_sync

ROOT = Path(__file__).resolve().parent.parent
CHECKPOINTS = ROOT / "checkpoints"
SAMPLES = ROOT / "samples"


@dataclass(frozen=True)
class Difference:
    """The largest differences from float32 on the same device."""

    precision: str
    pixels: int  # of deblurred crops, in grey levels of 255
    pixels_changed: float  # share
    delays: float  # relative to the largest logit
    probability: float
    same_verdicts: bool


@dataclass(frozen=True)
class Answers:
    """Deblurred crops of all tracks, and the result of each clip."""

    crops: list[Frames]
    results: list[dict[str, Any]]


def samples(detector: FaceDetector) -> list[Clip]:
    """The clips of ``samples/``, decoded and cut."""
    videos = sorted(SAMPLES.glob("*.mp4"))
    return [prepare(video.read_bytes(), Options(), Limits(), detector) for video in videos]


def answers(clips: Sequence[Clip], device: str, precision: Precision) -> Answers:
    """Every crop deblurred, then all clips judged, on one device in one precision."""
    restorer = Restorer.from_checkpoint(checkpoint("deblur"), device, precision)
    tracks = [
        [
            replace(track, frames=RawFrames(restorer.restore(track.frames.read(0, len(track.frames)))))
            for track in clip.tracks
        ]
        for clip in clips
    ]
    deblurred = [replace(clip, tracks=made) for clip, made in zip(clips, tracks, strict=True)]
    crops = [track.frames.read(0, len(track.frames)) for made in tracks for track in made]
    return Answers(crops, [result.to_dict() for result in _ensemble(device, precision).judge(deblurred)])


def difference(precision: str, found: Answers, expected: Answers) -> Difference:
    """How far answers are from those in float32."""
    pairs = list(zip(found.results, expected.results, strict=True))
    apart = [abs(one.astype(int) - other) for one, other in zip(found.crops, expected.crops, strict=True)]
    delays = [(np.array(one["delays"]), np.array(other["delays"])) for one, other in pairs]
    return Difference(
        precision,
        max(int(each.max()) for each in apart),
        float(np.mean([(each > 0).mean() for each in apart])),
        max(float(abs(one - other).max() / abs(other).max()) for one, other in delays),
        max(abs(one["probability_fake"] - other["probability_fake"]) for one, other in pairs),
        all(one["verdict"] == other["verdict"] for one, other in pairs),
    )


def differences(device: str, precisions: Sequence[Precision]) -> list[Difference]:
    """Each precision against float32."""
    clips = samples(RetinaFaceDetector(threads=1))
    expected = answers(clips, device, "float32")
    return [difference(each, answers(clips, device, each), expected) for each in precisions]


def checkpoint(kind: str) -> Checkpoint:
    return Checkpoint.load(CHECKPOINTS / f"{kind}.safetensors", kind=kind)


def _ensemble(device: str, precision: Precision) -> EnsembleNode:
    """The second node, with its network in one precision."""
    scoring = checkpoint("scoring")
    return EnsembleNode(
        load_sync(checkpoint("sync"), device, precision),
        load_scorer(scoring, device),
        RetinaFaceDetector(threads=1),
        lam=float(scoring.config["lam"]),
        calibration=Calibration.from_dict(scoring.config["calibration"]),
        abstention=Abstention.from_dict(scoring.config["abstention"]),
        limits=Limits(),
        model={},
    )
