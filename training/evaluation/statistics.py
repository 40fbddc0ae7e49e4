"""Figures of detection and their intervals; every identity counts alike.

Clips of one person are alike, so that an interval which treated them as independent would be too narrow:
the bootstrap draws identities, with all their clips.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.spans import inverse_frequency_weights

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MISSING = "-"  # stands in a table where nothing was measured


@dataclass(frozen=True)
class Figure:
    """A value with its 95 % interval; None where there was nothing to measure it on."""

    value: float | None
    interval: tuple[float, float] | None = None
    percent: bool = False  # a share, written in per cent

    def __str__(self) -> str:
        if self.value is None:
            return MISSING
        scale, digits = (100, 1) if self.percent else (1, 3)
        text = f"{scale * self.value:.{digits}f}" + " %" * self.percent
        if self.interval is not None:
            low, high = self.interval
            text += f" ({scale * low:.{digits}f} to {scale * high:.{digits}f})"
        return text


NOTHING = Figure(None)


@dataclass(frozen=True)
class Side:
    """Genuine or manipulated clips: what each is ranked by, who is seen, and the group it belongs to."""

    values: Sequence[float]
    identities: Sequence[str]
    groups: Sequence[str] = ()


def draws(identities: Sequence[str], resamples: int, seed: int = 0) -> Floats:
    """How often each clip's identity is drawn: (1 + resamples, clips); the first row draws each once."""
    names, member = np.unique(np.array(identities, str), return_inverse=True)
    random = np.random.default_rng(seed)
    drawn = random.multinomial(len(names), np.full(len(names), 1 / max(1, len(names))), size=resamples)
    counts: Floats = np.concatenate([np.ones((1, len(names))), drawn])[:, member]
    return counts


def summary(values: Floats, clusters: int, *, percent: bool = False) -> Figure:
    """The first of (1 + resamples,) values with the interval of the others; none from one person."""
    if not np.isfinite(values[0]):
        return NOTHING
    value = round(float(values[0]), 4)
    others = values[1:][np.isfinite(values[1:])]
    if clusters < 2 or not others.size:
        return Figure(value, percent=percent)
    low, high = np.percentile(others, [2.5, 97.5])
    return Figure(value, (round(float(low), 4), round(float(high), 4)), percent)


def share(flags: Sequence[bool], identities: Sequence[str], resamples: int) -> Figure:
    """Share of clips that are so, every identity alike."""
    return mean([float(flag) for flag in flags], identities, resamples)


def mean(values: Sequence[float], identities: Sequence[str], resamples: int) -> Figure:
    """Mean of values that are shares or differences of shares, every identity alike."""
    if not len(values):
        return NOTHING
    weights = draws(identities, resamples) * inverse_frequency_weights(identities)
    means = weights @ np.array(values, np.float64) / weights.sum(1)
    return summary(means, len(set(identities)), percent=True)


@dataclass(frozen=True)
class Detection:
    """How well values tell manipulated from genuine; both sides weigh the same, whatever their numbers."""

    auc: Figure
    average_precision: Figure


def detection(genuine: Side, fake: Side, resamples: int) -> Detection:
    """Figures of values that should be higher for manipulated clips."""
    if not len(genuine.values) or not len(fake.values):
        return Detection(NOTHING, NOTHING)
    values, is_fake, weights = _weighed(genuine, fake, resamples)
    curve = roc(values, is_fake, weights)
    clusters = _clusters(genuine, fake)
    return Detection(summary(area(*curve), clusters), summary(precision(*curve), clusters))


def matched_auc(genuine: Side, fake: Side, resamples: int) -> Figure:
    """AUC against genuine clips that are weighed so that every group is as frequent among both sides.

    Manipulated clips of a group without a genuine one are left out.
    """
    if not len(genuine.values) or not len(fake.values):
        return NOTHING
    values, is_fake, weights = _weighed(genuine, fake, resamples)
    for fakes, real in _by_group(genuine, fake, is_fake):
        wanted, there = weights[:, fakes].sum(1), weights[:, real].sum(1)
        scale = np.divide(wanted, there, out=np.zeros_like(wanted), where=there > 0)
        weights[:, real] *= scale[:, None]
        weights[:, fakes] *= (there > 0)[:, None]
    return summary(area(*roc(values, is_fake, weights)), _clusters(genuine, fake))


def grouped_auc(genuine: Side, fake: Side, resamples: int) -> Figure:
    """AUC among clips of one group, averaged over groups by the weight of their manipulated clips.

    Groups without a clip of either side are left out.
    """
    if not set(genuine.groups) & set(fake.groups):
        return NOTHING
    values, is_fake, weights = _weighed(genuine, fake, resamples)
    total, counted = np.zeros(len(weights)), np.zeros(len(weights))
    for fakes, real in _by_group(genuine, fake, is_fake):
        inside = fakes | real
        areas = area(*roc(values[inside], is_fake[inside], weights[:, inside]))
        weight = np.where(np.isfinite(areas), weights[:, fakes].sum(1), 0.0)
        total += np.nan_to_num(areas) * weight
        counted += weight
    areas = np.divide(total, counted, out=np.full_like(total, np.nan), where=counted > 0)
    shared = set(genuine.groups) & set(fake.groups)
    people = [
        {name for name, group in zip(side.identities, side.groups, strict=True) if group in shared}
        for side in (genuine, fake)
    ]
    return summary(areas, min(map(len, people)))


def auc_change(before: tuple[Side, Side], after: tuple[Side, Side], resamples: int) -> Figure:
    """AUC after less AUC before, of the same clips in the same order (genuine, manipulated)."""
    if not len(before[0].values) or not len(before[1].values):
        return NOTHING
    areas = [area(*roc(*_weighed(genuine, fake, resamples))) for genuine, fake in (before, after)]
    return summary(areas[1] - areas[0], _clusters(*before))


def _weighed(genuine: Side, fake: Side, resamples: int) -> tuple[Floats, Flags, Floats]:
    """Values of both sides, which are manipulated, and their weights (1 + resamples, clips)."""
    values = np.array([*genuine.values, *fake.values], np.float64)
    is_fake = np.arange(len(values)) >= len(genuine.values)
    weights = np.concatenate([inverse_frequency_weights(side.identities) for side in (genuine, fake)])
    return values, is_fake, draws([*genuine.identities, *fake.identities], resamples) * weights


def _by_group(genuine: Side, fake: Side, is_fake: Flags) -> Iterator[tuple[Flags, Flags]]:
    """Which clips are the manipulated and which the genuine ones of each group."""
    groups = np.array([*genuine.groups, *fake.groups], str)
    for group in sorted({*genuine.groups, *fake.groups}):
        yield (groups == group) & is_fake, (groups == group) & ~is_fake


def _clusters(genuine: Side, fake: Side) -> int:
    return min(len(set(genuine.identities)), len(set(fake.identities)))


def roc(values: Floats, is_fake: Flags, weights: Floats) -> tuple[Floats, Floats]:
    """False-alarm and detection rates at every threshold, from none called fake to all.

    ``weights`` is (rows, clips), each row a way to weigh the clips; both results are (rows, thresholds + 1),
    not-a-number where a row leaves no clip of one side. Equal values share a threshold.
    """
    order = np.argsort(-values, kind="stable")
    last = np.flatnonzero(np.append(np.diff(values[order]) != 0, True))

    def rates(side: Flags) -> Floats:
        sums = np.cumsum(weights[:, order] * side[order], axis=1)[:, last]
        with np.errstate(invalid="ignore"):
            scaled = sums / np.where(sums[:, -1:] > 0, sums[:, -1:], np.nan)
        return np.concatenate([np.zeros((len(weights), 1)), scaled], axis=1)

    return rates(~is_fake), rates(is_fake)


def area(false_alarms: Floats, found: Floats) -> Floats:
    """Area under each curve by trapezia: (rows,)."""
    areas: Floats = (np.diff(false_alarms) * (found[:, 1:] + found[:, :-1]) / 2).sum(1)
    return areas


def precision(false_alarms: Floats, found: Floats) -> Floats:
    """Average precision where manipulated clips are half of all: (rows,)."""
    called = found[:, 1:] + false_alarms[:, 1:]
    at_each = np.divide(found[:, 1:], called, out=np.zeros_like(called), where=called != 0)
    averages: Floats = (np.diff(found) * at_each).sum(1)
    return averages


@dataclass(frozen=True)
class Bin:
    """Clips whose probability lies between two bounds."""

    low: float
    high: float
    weight: float  # share of all clips
    stated: float | None  # mean probability
    observed: float | None  # share that is manipulated


def reliability(probabilities: Floats, is_fake: Flags, weights: Floats, bins: int = 15) -> list[Bin]:
    """Bins of equal width of probabilities (clips,); a bin without clips states nothing."""
    place = np.minimum((probabilities * bins).astype(int), bins - 1)
    total = weights.sum()
    found = []
    for number in range(bins):
        inside = place == number
        weight = float(weights[inside].sum())
        stated = float(np.average(probabilities[inside], weights=weights[inside])) if weight else None
        observed = float(np.average(is_fake[inside], weights=weights[inside])) if weight else None
        found.append(Bin(number / bins, (number + 1) / bins, weight / float(total), stated, observed))
    return found


def expected_calibration_error(
    probabilities: Floats, is_fake: Flags, weights: Floats, bins: int = 15
) -> Floats:
    """Mean distance between stated and observed share over bins of equal width; weights (rows, clips)."""
    place = np.minimum((probabilities * bins).astype(int), bins - 1)
    member = (place[:, None] == np.arange(bins)).astype(np.float64)  # (clips, bins)
    gaps = (weights * (probabilities - is_fake)) @ member
    errors: Floats = np.abs(gaps).sum(1) / weights.sum(1)
    return errors
