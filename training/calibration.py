"""Fit the calibration: from evidence to the probability of a manipulation, and the bands of verdicts.

Cases are spans of ``val`` as a file would hold them, genuine and manipulated. A genuine span whose sound was
moved inside the broadcast window is as genuine as before. People are held out in turn wherever a figure is
promised, so that it is one of people the calibration has not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from outofsync.scoring.abstention import Abstention
from outofsync.scoring.calibration import Calibration, Part, Videos, chosen
from outofsync.scoring.evidence import Evidence
from outofsync.scoring.offset import RESOLUTION, is_tolerated
from outofsync.scoring.verdict import FACE, SYNCHRONY
from training.spans import balanced_weights

Floats = NDArray[np.float64]

GENUINE, VOICE, GENERATED = "genuine", "voice", "generated"  # what a case's ``side`` can be
MOVED = "moved"
USED = {
    SYNCHRONY: (
        "delay_score",
        "feature_score",
        "fit",
        "contrast",
        "edge",
        "margin",
        "distance",
        "level",
        "prominence",
    ),
    FACE: ("generated",),
}
SEEN_BY = {SYNCHRONY: VOICE, FACE: GENERATED}  # the manipulations that each part learns to see
# Share of genuine clips (every identity alike) below each band: seven in ten are plainly real, four in a
# hundred are called likely fake or worse, one in a hundred fake.
BAND_SHARES = (0.7, 0.96, 0.99)
ALARM, FAKE = "likely_fake", "fake"
WRONGLY_OFFSET = {VOICE: 0.05, GENERATED: 0.05}  # shares said to have a constant offset
# Of three ways of manipulating that weigh alike, synchrony is to see two.
SHARES = {SYNCHRONY: 2 / 3, FACE: 1 / 3}
STRENGTH = 0.1  # inverse of the penalty on the weights: few people, so weights stay small
FOLDS, SHUFFLES = 6, 5  # ways of holding people out, over which probabilities are averaged
RESAMPLES = 1000


@dataclass(frozen=True)
class Case:
    """One span and what the networks say about its segments."""

    group: str  # whom it shows: never on both sides of a fold
    side: str  # genuine, voice or generated
    kind: str  # which manipulation, or which generator
    whole: Evidence
    evidence: tuple[Evidence, ...]  # of each segment
    offset: int  # frames, the best of all
    confidence: float  # in the offset
    moved: bool = False  # by hand, outside the broadcast window: an offset is there to be found

    @property
    def way(self) -> str:
        """Genuine, or in which of three ways it was manipulated: moved, another voice, generated."""
        return MOVED if self.moved else self.side


def weights_of(cases: Sequence[Case]) -> Floats:
    """(cases,): genuine and manipulated count alike, so do ways of manipulating, and identities in them."""
    ways, groups = [case.way for case in cases], [case.group for case in cases]
    return balanced_weights(ways, groups, GENUINE) * len(cases)


def calibrate(cases: Sequence[Case], names: dict[str, tuple[str, ...]] = USED) -> Calibration:
    """The calibration of all cases; bands and promises are those of people it has not seen."""
    whole = fitted(cases, names)
    genuine, weights = _genuine(cases), weights_of(cases)
    stated = cross_validated(cases, names)
    low, middle, high = np.quantile(
        stated[genuine], BAND_SHARES, weights=weights[genuine], method="inverted_cdf"
    ).tolist()
    bands = (min(low, 0.45), max(middle, 0.5), max(high, middle, 0.5))
    return replace(whole, bands=bands, promise=promised(cases, stated, bands))


def fitted(cases: Sequence[Case], names: dict[str, tuple[str, ...]] = USED) -> Calibration:
    """Parts, each by itself, then how they are joined."""
    genuine, weights = _genuine(cases), weights_of(cases)
    fits = np.array([case.whole.fit for case in cases])
    usual = float(np.quantile(fits[genuine], 0.5, weights=weights[genuine], method="inverted_cdf"))
    parts = {name: fitted_part(cases, used, name) for name, used in names.items()}
    calibration = Calibration(parts={name: part for name, part in parts.items() if part}, usual_fit=usual)
    ratios = calibration.joined(Videos.of(cases))
    slope, bias = _logistic(ratios, ~genuine, weights)
    return replace(calibration, slope=slope, bias=bias)


def fitted_part(cases: Sequence[Case], names: Sequence[str], part: str) -> Part | None:
    """A part's weights from whole cases, of all lengths; None if nothing varies."""
    asked = [case for case in cases if case.side in (GENUINE, SEEN_BY[part])]
    if len({case.side for case in asked}) < 2:
        return None
    weights, values = weights_of(asked), chosen(Videos.of(asked).whole, names)
    if not np.ptp(values, axis=0).any():
        return None
    model = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH))
    model.fit(
        values,
        ~_genuine(asked),
        standardscaler__sample_weight=weights,
        logisticregression__sample_weight=weights,
    )
    return _part(model, names, SHARES[part])


def _logistic(ratios: Floats, truth: NDArray[np.bool_], weights: Floats) -> tuple[float, float]:
    """Slope and bias that bring ratios to logits."""
    model = LogisticRegression(C=100.0).fit(ratios[:, None], truth, sample_weight=weights)
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def _part(model: Pipeline, names: Sequence[str], share: float) -> Part:
    scaler, regression = model[0], model[1]
    return Part(
        names=tuple(names),
        mean=tuple(scaler.mean_.tolist()),
        scale=tuple(scaler.scale_.tolist()),
        weights=tuple(regression.coef_[0].tolist()),
        bias=float(regression.intercept_[0]),
        share=share,
    )


def stated_by(calibration: Calibration, cases: Sequence[Case]) -> Floats:
    """The probability of each case: (cases,)."""
    return calibration.probabilities(calibration.joined(Videos.of(cases)))


def cross_validated(cases: Sequence[Case], names: dict[str, tuple[str, ...]] = USED) -> Floats:
    """The probability (cases,) each gets from calibrations that never saw its identity."""
    groups = [case.group for case in cases]
    logits = np.zeros(len(cases))
    for seed in range(SHUFFLES):
        folds = GroupKFold(min(FOLDS, len(set(groups))), shuffle=True, random_state=seed)
        for learnt, asked in folds.split(cases, groups=groups):
            model = fitted([cases[row] for row in learnt.tolist()], names)
            logits[asked] += model.logits(Videos.of([cases[row] for row in asked.tolist()]))
    probabilities: Floats = 1 / (1 + np.exp(-logits / SHUFFLES))
    return probabilities


def promised(
    cases: Sequence[Case], stated: Floats, bands: tuple[float, float, float]
) -> dict[str, tuple[float, float, float]]:
    """Share of genuine cases above the two upper bands, every identity alike, with its 95 % interval."""
    genuine = np.flatnonzero(_genuine(cases)).tolist()
    people = sorted({cases[row].group for row in genuine})
    random = np.random.default_rng(0)
    found = {}
    for name, band in ((ALARM, bands[1]), (FAKE, bands[2])):
        by_person = np.array(
            [np.mean([stated[row] >= band for row in genuine if cases[row].group == who]) for who in people]
        )
        drawn = random.choice(by_person, (RESAMPLES, len(people))).mean(1)
        low, high = np.percentile(drawn, [2.5, 97.5]).tolist()
        found[name] = (round(float(by_person.mean()), 4), round(low, 4), round(high, 4))
    return found


def fit_abstention(cases: Sequence[Case]) -> Abstention:
    """Believe an offset from the confidence on at which few clips that have none would be said to have one.

    Another clip's sound has none, and neither that nor a generated face must often be excused by one. What a
    genuine clip is sure of is believed: cameras and captures do leave such offsets. One that lies hardly
    beyond the broadcast window excuses nothing, since a video is judged there.
    """
    unmoved = [case for case in cases if not case.moved]
    weights = weights_of(unmoved)
    strayed = np.array(
        [case.confidence * (not is_tolerated(case.offset, within=RESOLUTION)) for case in unmoved]
    )
    sides = np.array([case.side for case in unmoved])
    sure = max(
        float(np.quantile(strayed[rows], 1 - share, weights=weights[rows], method="inverted_cdf"))
        for rows, share in ((sides == side, share) for side, share in WRONGLY_OFFSET.items())
        if rows.any()
    )
    return replace(Abstention(), sure_offset=round(sure + 0.005, 2))


def _genuine(cases: Sequence[Case]) -> NDArray[np.bool_]:
    return np.array([case.side == GENUINE for case in cases])
