"""Fit the calibration: from evidence to the probability of a manipulation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from outofsync.scoring.calibration import Calibration
from outofsync.scoring.evidence import Evidence
from outofsync.scoring.score import Scorer, Segment
from outofsync.scoring.segments import segment_bounds
from outofsync.synchrony.interface import SyncNetwork
from training.manipulations import Span

USED = ("delay_score", "fit")
# Share of genuine clips (every identity alike) below each band: half are plainly real, one in ten is called
# likely fake or worse, one in 33 fake.
BAND_SHARES = (0.5, 0.9, 0.97)
STRENGTH = 0.3  # inverse of the penalty on the weights: few clips, so weights stay small


@dataclass(frozen=True)
class Case:
    """One span and what the networks say about it."""

    group: str
    label: str  # real, shifted, swapped, fake or fake_audio
    generator: str
    evidence: Evidence
    best_delay: int  # frames


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
        best = int(output.delays.astype(float).mean(0).argmax()) - output.delays.shape[1] // 2
        cases.append(Case(span.group, span.label, span.generator, evidence, best))
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
    """A logistic regression on all cases."""
    values, fake = _table(cases)
    model = _model().fit(values, fake, logisticregression__sample_weight=balanced_weights(cases))
    scaler, regression = model[0], model[1]
    genuine = np.array([case.label == "real" for case in cases])
    probabilities = model.predict_proba(values[genuine])[:, 1]
    low, middle, high = np.quantile(
        probabilities, BAND_SHARES, weights=balanced_weights(cases)[genuine], method="inverted_cdf"
    ).tolist()
    return Calibration(
        names=USED,
        mean=tuple(scaler.mean_.tolist()),
        scale=tuple(scaler.scale_.tolist()),
        weights=tuple(regression.coef_[0].tolist()),
        bias=float(regression.intercept_[0]),
        usual_fit=float(np.median([case.evidence.fit for case in cases if case.label == "real"])),
        bands=(low, middle, high),
    )


def cross_validated(cases: Sequence[Case], *, folds: int = 5) -> NDArray[np.float64]:
    """The probability each case gets from a calibration that never saw its identity."""
    values, fake = _table(cases)
    probabilities: NDArray[np.float64] = cross_val_predict(
        _model(),
        values,
        fake,
        groups=[case.group for case in cases],
        cv=GroupKFold(folds),
        method="predict_proba",
        params={"logisticregression__sample_weight": balanced_weights(cases)},
    )[:, 1]
    return probabilities


def _model() -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH))


def _table(cases: Sequence[Case]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    values = np.array([[getattr(case.evidence, name) for name in USED] for case in cases])
    return values, np.array([case.label != "real" for case in cases], np.int64)
