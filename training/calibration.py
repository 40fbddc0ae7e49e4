"""Fit the calibration: from evidence to the probability of a manipulation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from outofsync.scoring.abstention import Abstention
from outofsync.scoring.calibration import Calibration
from outofsync.scoring.evidence import Evidence, offset_of
from outofsync.scoring.score import Scorer, Segment
from outofsync.scoring.segments import segment_bounds
from outofsync.synchrony.interface import SyncNetwork
from training.manipulations import Span

USED = ("delay_score", "feature_score", "fit", "edge")
# Share of genuine clips (every identity alike) below each band: half are plainly real, one in twenty is
# called likely fake or worse, one in a hundred fake.
BAND_SHARES = (0.5, 0.95, 0.99)
WRONGLY_OFFSET = {"real": 0.01, "swapped": 0.05, "fake": 0.05}  # shares said to have a constant offset
STRENGTH = 0.3  # inverse of the penalty on the weights: few clips, so weights stay small
SHUFFLES = 5  # ways of cutting identities into folds that out-of-fold probabilities are averaged over


@dataclass(frozen=True)
class Case:
    """One span and what the networks say about it."""

    group: str
    label: str  # real, shifted, swapped, fake or fake_audio
    generator: str
    evidence: Evidence
    best_delay: int  # frames
    confidence: float = 0.0  # in the best delay


def cases_of(spans: Sequence[Span], network: SyncNetwork, scorer: Scorer, *, longest: int = 50) -> list[Case]:
    """Evidence of each span that is long enough to be scored."""
    cases = []
    for span in spans:
        (output,) = network.evaluate([span.as_input()])
        if len(output.delays) < 2:
            continue
        projected = scorer.project(output.features)
        bounds = segment_bounds(len(output.delays), longest)
        scores = scorer.score_segments([Segment(output.delays[a:b], projected[a:b]) for a, b in bounds])
        parts = [Evidence.of(output.delays[a:b], score) for (a, b), score in zip(bounds, scores, strict=True)]
        evidence = Evidence.mean(parts, [len(score.delay_steps) for score in scores])
        cases.append(Case(span.group, span.label, span.generator, evidence, *offset_of(output.delays)))
    return cases


def balanced_weights(cases: Sequence[Case]) -> NDArray[np.float64]:
    """Genuine and manipulated count alike, so does each kind of manipulation, and each identity in it."""
    kinds = [case.label if case.label != "fake" else case.generator for case in cases]
    fakes = {kind for kind in kinds if kind != "real"}
    share = {"real": 1.0} | {kind: 1.0 / len(fakes) for kind in fakes}
    groups = [(kind, case.group) for kind, case in zip(kinds, cases, strict=True)]
    in_group = Counter(groups)
    in_kind = Counter(kind for kind, _ in in_group)  # identities of each kind
    weights = [share[kind] / in_kind[kind] / in_group[kind, group] for kind, group in groups]
    return np.array(weights) * len(cases) / 2


def calibrate(cases: Sequence[Case]) -> Calibration:
    """A logistic regression on all cases; bands from probabilities of people it has not seen."""
    model = _fitted(cases)
    scaler, regression = model[0], model[1]
    genuine, weights = ~_is_fake(cases), balanced_weights(cases)
    fits = np.array([case.evidence.fit for case in cases])
    low, middle, high = np.quantile(
        cross_validated(cases)[genuine], BAND_SHARES, weights=weights[genuine], method="inverted_cdf"
    ).tolist()
    return Calibration(
        names=USED,
        mean=tuple(scaler.mean_.tolist()),
        scale=tuple(scaler.scale_.tolist()),
        weights=tuple(regression.coef_[0].tolist()),
        bias=float(regression.intercept_[0]),
        usual_fit=float(np.quantile(fits[genuine], 0.5, weights=weights[genuine], method="inverted_cdf")),
        bands=(low, middle, high),
    )


def cross_validated(cases: Sequence[Case], *, folds: int = 6) -> NDArray[np.float64]:
    """The probability each case gets from calibrations that never saw its identity."""
    groups, values = [case.group for case in cases], _values(cases)
    logits = np.zeros(len(cases))
    for seed in range(SHUFFLES):
        for learnt, asked in GroupKFold(folds, shuffle=True, random_state=seed).split(cases, groups=groups):
            logits[asked] += _fitted([cases[row] for row in learnt]).decision_function(values[asked])
    probabilities: NDArray[np.float64] = 1 / (1 + np.exp(-logits / SHUFFLES))
    return probabilities


def fit_abstention(cases: Sequence[Case]) -> Abstention:
    """Believe an offset from the confidence on at which few clips that have none would be said to have one.

    Neither genuine clips nor another clip's sound have one; both must seldom be excused by it.
    """
    rules, weights = Abstention(), balanced_weights(cases)
    strayed = np.array([case.confidence * (abs(case.best_delay) > rules.tolerated_offset) for case in cases])
    labels = np.array([case.label for case in cases])
    sure = max(
        float(np.quantile(strayed[rows], 1 - share, weights=weights[rows], method="inverted_cdf"))
        for rows, share in ((labels == label, share) for label, share in WRONGLY_OFFSET.items())
        if rows.any()
    )
    return replace(rules, sure_offset=round(sure + 0.005, 2))


def _fitted(cases: Sequence[Case]) -> Pipeline:
    model = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH))
    weights = balanced_weights(cases)
    return model.fit(
        _values(cases),
        _is_fake(cases),
        standardscaler__sample_weight=weights,
        logisticregression__sample_weight=weights,
    )


def _values(cases: Sequence[Case]) -> NDArray[np.float64]:
    return np.array([[getattr(case.evidence, name) for name in USED] for case in cases])


def _is_fake(cases: Sequence[Case]) -> NDArray[np.bool_]:
    return np.array([case.label != "real" for case in cases])
