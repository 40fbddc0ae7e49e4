"""Whether a stated probability can be taken at its word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.evaluation.detection import Judged
from training.evaluation.judging import DUBBED, GENERATED, GENUINE, OTHER_SPEAKER, OUTSIDE, SAME_SPEAKER
from training.evaluation.report import Table
from training.evaluation.statistics import (
    NOTHING,
    Bin,
    Figure,
    draws,
    expected_calibration_error,
    reliability,
    summary,
)
from training.spans import balanced_weights

BINS = 15
FITTED_ON = "val"  # the split that the shipped calibration was fitted on


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


def stated_by(judged: Judged) -> list[Stated]:
    """Probabilities of whole clips; synthetic voices and small shifts are left out.

    The former may be in sync by construction, the latter are no manipulation by the product's own standard.
    """
    groups = {
        GENUINE: (GENUINE,),
        "moved": (OUTSIDE,),
        "another voice": (OTHER_SPEAKER, SAME_SPEAKER, DUBBED),
        GENERATED: (GENERATED,),
    }
    return [
        Stated(record.probability, name, record.identity)
        for name, kinds in groups.items()
        for kind in kinds
        for record in judged.of(kind)
        if record.probability is not None
    ]


def calibration_table(split: str, result: Reliability) -> Table:
    note = (
        "15 bins of equal width; genuine and manipulated clips weigh the same, so do sound moved beyond "
        "the window, another voice and a generated picture, and each identity in them."
    )
    if split == FITTED_ON:
        note += " The shipped calibration was fitted on this split: it has seen these people."
    rows = [(result.clips, result.identities, result.error)]
    title = f"Expected calibration error, `{split}`"
    return Table("calibration", title, ("clips", "people", "error"), rows, note)
