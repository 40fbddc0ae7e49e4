"""How well a collection's fakes are told from its genuine videos, by category, with intervals.

Videos of one person are alike: the bootstrap draws identities, with all their videos.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from outofsync_cluster.layouts import Listed

EVERYTHING = "every fake"
RESAMPLES = 1000
THRESHOLD = 0.5  # of the probability, above which a video counts as called fake
Floats = NDArray[np.float64]
Metric = Callable[[NDArray[np.bool_], Floats], float]


@dataclass(frozen=True)
class Figure:
    """A value with its 95 % interval, which is missing where one side shows a single person."""

    value: float
    interval: tuple[float, float] | None

    def __str__(self) -> str:
        text = f"{self.value:.3f}"
        return text + (f" ({self.interval[0]:.3f} to {self.interval[1]:.3f})" if self.interval else "")


@dataclass(frozen=True)
class Row:
    """A category against all genuine videos; figures are missing where one side has no probability."""

    category: str
    videos: int
    unjudged: int  # without a probability, left out of the figures
    auc: Figure | None
    average_precision: Figure | None
    accuracy: Figure | None


def table(
    videos: Sequence[Listed], probabilities: Mapping[str, float | None], resamples: int = RESAMPLES
) -> list[Row]:
    """A row for every fake together, for each category, and for each method in it.

    ``probabilities`` are by the video's path.
    """
    genuine = [video for video in videos if not video.is_fake]
    fakes = [video for video in videos if video.is_fake]
    groups = {EVERYTHING: fakes}
    for category in sorted({fake.category for fake in fakes}):
        mine = groups[category] = [fake for fake in fakes if fake.category == category]
        methods = sorted({fake.kind for fake in mine} - {category})
        groups |= {kind: [fake for fake in mine if fake.kind == kind] for kind in methods}
    return [_row(name, group, genuine, probabilities, resamples) for name, group in groups.items()]


def _row(
    name: str,
    fakes: Sequence[Listed],
    genuine: Sequence[Listed],
    probabilities: Mapping[str, float | None],
    resamples: int,
) -> Row:
    both = [*genuine, *fakes]
    found = [(video, probabilities.get(str(video.path))) for video in both]
    judged = [(video, value) for video, value in found if value is not None]
    sides = [[video.identity for video, _ in judged if video.is_fake is fake] for fake in (False, True)]
    unjudged = len(both) - len(judged)
    if not all(sides):
        return Row(name, len(fakes), unjudged, None, None, None)
    is_fake = np.array([video.is_fake for video, _ in judged])
    values = np.array([value for _, value in judged], np.float64)
    draws = [np.arange(len(values))]
    if min(len(set(side)) for side in sides) > 1:
        draws += _resampled([video.identity for video, _ in judged], resamples)
    kept = [draw for draw in draws if 0 < is_fake[draw].sum() < len(draw)]
    metrics: tuple[Metric, ...] = (roc_auc_score, average_precision_score, _accuracy)
    auc, precision, accuracy = (
        _figure([float(metric(is_fake[draw], values[draw])) for draw in kept]) for metric in metrics
    )
    return Row(name, len(fakes), unjudged, auc, precision, accuracy)


def _accuracy(is_fake: NDArray[np.bool_], values: Floats) -> float:
    return float(((values > THRESHOLD) == is_fake).mean())


def _resampled(identities: Sequence[str], resamples: int) -> list[NDArray[np.int64]]:
    """Places of the videos of as many identities as there are, drawn with replacement."""
    names, member = np.unique(np.array(identities), return_inverse=True)
    places = [np.flatnonzero(member == number) for number in range(len(names))]
    random = np.random.default_rng(0)
    drawn = random.integers(len(names), size=(resamples, len(names)))
    return [np.concatenate([places[number] for number in draw]) for draw in drawn]


def _figure(values: Sequence[float]) -> Figure:
    if len(values) == 1:
        return Figure(values[0], None)
    low, high = np.percentile(values[1:], [2.5, 97.5])
    return Figure(values[0], (float(low), float(high)))
