"""Figures of detection and their intervals; every identity counts alike.

Clips of one person are alike, so that an interval which treated them as independent would be too narrow:
the bootstrap draws identities, with all their clips.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MISSING = "-"  # stands in a table where nothing was measured


@dataclass(frozen=True)
class Figure:
    """A value with its 95 % interval; None where there was nothing to measure it on."""

    value: float | None
    interval: tuple[float, float] | None = None

    def __str__(self) -> str:
        if self.value is None:
            return MISSING
        if self.interval is None:
            return f"{self.value:.2f}"
        return f"{self.value:.2f} ({self.interval[0]:.2f} to {self.interval[1]:.2f})"


NOTHING = Figure(None)


def identity_weights(identities: Sequence[str]) -> Floats:
    """One weight for each clip: those of one identity add up to one over the number of identities."""
    sizes = Counter(identities)
    return np.array([1 / (sizes[identity] * len(sizes)) for identity in identities], np.float64)


def draws(identities: Sequence[str], resamples: int, seed: int = 0) -> Floats:
    """How often each clip's identity is drawn: (1 + resamples, clips); the first row draws each once."""
    names, member = np.unique(np.array(identities, str), return_inverse=True)
    random = np.random.default_rng(seed)
    drawn = random.multinomial(len(names), np.full(len(names), 1 / max(1, len(names))), size=resamples)
    counts: Floats = np.concatenate([np.ones((1, len(names))), drawn])[:, member]
    return counts


def summary(values: Floats, clusters: int) -> Figure:
    """The first value with the interval of the others; no interval from fewer than two identities."""
    if not np.isfinite(values[0]):
        return NOTHING
    value = round(float(values[0]), 4)
    others = values[1:][np.isfinite(values[1:])]
    if clusters < 2 or not others.size:
        return Figure(value)
    low, high = np.percentile(others, [2.5, 97.5])
    return Figure(value, (round(float(low), 4), round(float(high), 4)))


def share(flags: Sequence[bool], identities: Sequence[str], resamples: int) -> Figure:
    """Share of clips that are so, every identity alike."""
    if not len(flags):
        return NOTHING
    weights = draws(identities, resamples) * identity_weights(identities)
    values = weights @ np.array(flags, np.float64) / weights.sum(1)
    return summary(values, len(set(identities)))


@dataclass(frozen=True)
class Detection:
    """How well values tell manipulated from genuine; both sides weigh the same, whatever their numbers."""

    auc: Figure
    average_precision: Figure
    equal_error_rate: Figure


def detection(
    genuine: Sequence[float],
    genuine_identities: Sequence[str],
    fake: Sequence[float],
    fake_identities: Sequence[str],
    resamples: int,
) -> Detection:
    """Figures of values that should be higher for manipulated clips."""
    if not len(genuine) or not len(fake):
        return Detection(NOTHING, NOTHING, NOTHING)
    values = np.array([*genuine, *fake], np.float64)
    is_fake = np.arange(len(values)) >= len(genuine)
    weights = np.concatenate([identity_weights(genuine_identities), identity_weights(fake_identities)])
    weights = draws([*genuine_identities, *fake_identities], resamples) * weights
    false_alarms, found = roc(values, is_fake, weights)
    clusters = min(len(set(genuine_identities)), len(set(fake_identities)))
    figures = (area(false_alarms, found), precision(false_alarms, found), equal_error(false_alarms, found))
    return Detection(*(summary(each, clusters) for each in figures))


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


def equal_error(false_alarms: Floats, found: Floats) -> Floats:
    """The rate at which false alarms are as frequent as misses, between thresholds in proportion: (rows,)."""
    gap = false_alarms - (1 - found)  # from −1 to 1
    after = np.argmax(gap >= 0, axis=1)
    rows = np.arange(len(gap))
    below, above = gap[rows, after - 1], gap[rows, after]
    with np.errstate(invalid="ignore"):
        part = -below / (above - below)
    low, high = false_alarms[rows, after - 1], false_alarms[rows, after]
    rates: Floats = low + part * (high - low)
    return rates


@dataclass(frozen=True)
class Bin:
    """Clips whose probability lies between two bounds."""

    low: float
    high: float
    weight: float  # share of all clips
    stated: float | None  # mean probability
    observed: float | None  # share that is manipulated


def reliability(probabilities: Floats, is_fake: Flags, weights: Floats, bins: int = 15) -> list[Bin]:
    """Bins of equal width; a bin without clips states nothing."""
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


def balanced_weights(kinds: Sequence[str], identities: Sequence[str], genuine: str) -> Floats:
    """Genuine and manipulated clips weigh the same; so does each kind of the latter, each identity in it."""
    sizes = Counter(zip(kinds, identities, strict=True))
    people = Counter(kind for kind, _ in sizes)
    fakes = max(1, len(set(kinds) - {genuine}))
    shares = {kind: 0.5 if kind == genuine else 0.5 / fakes for kind in people}
    return np.array(
        [
            shares[kind] / (people[kind] * sizes[kind, identity])
            for kind, identity in zip(kinds, identities, strict=True)
        ]
    )
