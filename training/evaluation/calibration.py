"""Whether a stated probability can be taken at its word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from outofsync.checkpoints.store import Checkpoint
from outofsync.scoring.score import load_scorer
from outofsync.synchrony.registry import load_sync
from training.calibration import Case, cases_of, cross_validated
from training.clips import PreparedClip
from training.evaluation.detection import POOLED_FROM
from training.evaluation.judging import GENUINE, Record
from training.evaluation.material import OTHER_SPEAKER, SAME_SPEAKER, SYNTHETIC_VOICE
from training.evaluation.statistics import (
    NOTHING,
    Bin,
    Figure,
    balanced_weights,
    draws,
    expected_calibration_error,
    reliability,
    summary,
)
from training.manipulations import manipulated
from training.regressors import LENGTHS, spans_of

BINS = 15
FITTED_ON = "val"  # the split that the shipped calibration was fitted on
SHIFTED, SWAPPED = "shifted", "swapped"


@dataclass(frozen=True)
class Stated:
    """One clip's probability and what the clip is."""

    probability: float
    kind: str
    identity: str


@dataclass(frozen=True)
class Reliability:
    """How far probabilities are from observed shares; genuine and manipulated clips weigh the same."""

    clips: int
    identities: int
    error: Figure  # expected calibration error
    bins: list[Bin]


def reliability_of(stated: Sequence[Stated], resamples: int) -> Reliability:
    """Expected calibration error in 15 bins of equal width."""
    kinds, identities = [each.kind for each in stated], [each.identity for each in stated]
    if GENUINE not in kinds or len(set(kinds)) < 2:
        return Reliability(len(stated), len(set(identities)), NOTHING, [])
    values = np.array([each.probability for each in stated])
    is_fake = np.array([kind != GENUINE for kind in kinds])
    weights = balanced_weights(kinds, identities, GENUINE)
    errors = expected_calibration_error(values, is_fake, draws(identities, resamples) * weights, BINS)
    bins = reliability(values, is_fake, weights, BINS)
    return Reliability(len(stated), len(set(identities)), summary(errors, len(set(identities))), bins)


def stated_by(records: Sequence[Record]) -> list[Stated]:
    """Probabilities of the shipped calibration; synthetic voices and small shifts are left out.

    The former may be in sync by construction, the latter are no manipulation by the product's own standard.
    """
    stated = []
    for record in records:
        kind = record.kind
        if kind.startswith("shift "):
            if int(kind.split()[-1]) < POOLED_FROM:
                continue
            kind = SHIFTED
        if kind in (SAME_SPEAKER, OTHER_SPEAKER):
            kind = SWAPPED
        if record.probability is not None and not kind.startswith(SYNTHETIC_VOICE):
            stated.append(Stated(record.probability, kind, record.identity))
    return stated


@dataclass(frozen=True)
class CasesTask:
    """Prepared clips whose evidence is wanted, and whether known manipulations of them are wanted too."""

    clips: tuple[PreparedClip, ...]
    checkpoints: Path
    with_manipulations: bool


def cases_task(_: object, task: CasesTask) -> list[Case]:
    """What the calibration is fitted on, made as in its own training."""
    network = load_sync(Checkpoint.load(task.checkpoints / "sync.safetensors", kind="sync"))
    scorer = load_scorer(Checkpoint.load(task.checkpoints / "scoring.safetensors", kind="scoring"))
    pieces = [spans_of(task.clips, length) for length in LENGTHS]
    spans = [span for spans in pieces for span in spans]
    if task.with_manipulations:
        spans += [span for spans in pieces for span in manipulated(spans)]
    return cases_of(spans, network, scorer)


def out_of_fold(cases: Sequence[Case]) -> list[Stated]:
    """Probabilities from calibrations that never saw the clip's identity."""
    kinds = {"real": GENUINE, "shifted": SHIFTED, "swapped": SWAPPED}
    probabilities = np.asarray(cross_validated(cases)).tolist()
    return [
        Stated(probability, kinds.get(case.label, case.generator), case.group)
        for case, probability in zip(cases, probabilities, strict=True)
    ]
