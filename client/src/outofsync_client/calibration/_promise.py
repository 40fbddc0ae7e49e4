"""How sure a share is that was counted in a few people."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Callable, NamedTuple

from outofsync_client.calibration._bands import Bands, People, needed_people

CONFIDENCE = 0.95
HALVINGS = 50  # of 0 … 1: far below what anybody reads


class Share(NamedTuple):
    """A share (0 to 1) of genuine videos, every person alike, and the ends of its interval."""

    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Promise:
    """What is promised of false alarms, and how far the truth may lie from it.

    ``false_alarms``: at most this share of genuine videos is to be called fake or likely fake, on average
    over people like these; ``kept``: whether there are people enough to say so (:func:`needed_people`).
    ``alarms`` is how many of the own videos are, and ``fakes`` how many are called fake, each with the
    interval in which the true share lies with a probability of ``confidence``.
    """

    false_alarms: float
    kept: bool
    people: int
    alarms: Share
    fakes: Share
    confidence: float = CONFIDENCE

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "alarms": list(self.alarms), "fakes": list(self.fakes)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Promise:
        """Raises KeyError, TypeError or ValueError where this is no promise."""
        shares = {name: Share(*(float(number) for number in values[name])) for name in ("alarms", "fakes")}
        return cls(**{**values, **shares})


def promise(people: People, bands: Bands, false_alarms: float) -> Promise:
    """What these bands promise of people like these."""
    alarms, fakes = bands.share(people, "likely_fake", "fake"), bands.share(people, "fake")
    return Promise(
        false_alarms=false_alarms,
        kept=len(people) >= needed_people(false_alarms),
        people=len(people),
        alarms=Share(alarms, *interval(alarms, len(people))),
        fakes=Share(fakes, *interval(fakes, len(people))),
    )


def interval(share: float, people: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact binomial interval (Clopper and Pearson) of a share (0 to 1) that was counted in people.

    A person of whom half the videos are false alarms counts as half a one. Counts are rounded outwards, and
    nothing varies as much as whole people do, so that this errs on the careful side. That the band was placed
    by the same people leaves the upper end as it is: where k of n lie above a band that the next one set, the
    true share follows a Beta(k + 1, n − k) distribution, and the upper end is that one's quantile.
    """
    error = (1.0 - confidence) / 2.0
    fewest = math.floor(round(share * people, 9))
    most = math.ceil(round(share * people, 9))
    low = 0.0 if fewest == 0 else _solve(lambda rate: 1.0 - _at_most(fewest - 1, people, rate) < error)
    high = 1.0 if most == people else _solve(lambda rate: _at_most(most, people, rate) > error)
    return low, high


def _at_most(count: int, people: int, rate: float) -> float:
    """The probability of no more than ``count`` among ``people``, each of whom is one at this rate."""
    return math.fsum(_exactly(one, people, rate) for one in range(count + 1))


def _exactly(count: int, people: int, rate: float) -> float:
    ways = math.lgamma(people + 1) - math.lgamma(count + 1) - math.lgamma(people - count + 1)
    return math.exp(ways + count * math.log(rate) + (people - count) * math.log1p(-rate))


def _solve(is_below: Callable[[float], bool]) -> float:
    """The rate up to which ``is_below`` holds."""
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return low
