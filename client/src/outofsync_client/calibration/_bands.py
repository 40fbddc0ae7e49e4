"""Where one verdict gives way to the next, fitted to probabilities of genuine videos of one's own.

The alarm (likely fake) gets its place so:

*A person is the unit.* Videos of one person resemble each other, so ten of them tell little more than one,
and every person weighs alike however many videos there are.

*What is promised.* Of n people, each video of person k gets the weight 1 / ((n + 1) · videos of k), and a
weight of 1 / (n + 1) stands for the person who comes next and may be worse than all. The band is the lowest
above which no more than ``rate`` of the weight lies. A new person's genuine video is then called fake or
likely fake with a probability of at most ``rate``, whatever the probabilities are distributed like, as long
as that person is drawn as the others were (conformal prediction for groups: Lee, Barber and Willett 2023,
"Distribution-free inference with hierarchical data"). It takes 1 / rate − 1 people: 19 for 5 %, 99 for 1 %.
With fewer, no band keeps the promise; it is then the shipped one, or what lets all of the own videos pass if
that is higher.

*Few people.* An average over all groups of people that might have come is no comfort for those who drew a
lucky one. Below ``ENOUGH`` people the band is therefore the safer (higher) of the promised one and a mean of
it and the shipped one, in logits, in which the own one weighs n / ``ENOUGH``: a few videos can raise the
band at once, but lower it only as far as they bear it out.

``fake`` gets its place in the same way, for ``FAKE_RATE``. ``real`` reaches up to the median person's
probability; there the safer side is the lower one.

The shipped bands are those of training also where a calibration of one's own judged: the same few videos
would otherwise weigh more each time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Optional

VERDICTS = ("real", "likely_real", "likely_fake", "fake")
EVEN = 0.5  # from here on nothing is plainly real
ENOUGH = 100  # people from whom on the shipped bands have no say
FAKE_RATE = 0.01  # of genuine videos that may be called fake outright
DECIMALS = 6  # of a probability in a result
STEP = 10.0**-DECIMALS
ROUNDING = 1e-9  # of sums of weights

People = Mapping[str, Sequence[float]]
"""Probabilities (0 to 1) of each person's videos."""


@dataclass(frozen=True)
class Bands:
    """Probabilities below which a video is real (``low``), likely real (``middle``), likely fake (``high``).

    Raises ValueError where they are out of order, or outside 0 … 1.
    """

    low: float
    middle: float
    high: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.low <= self.middle <= self.high <= 1.0:
            raise ValueError(f"bands ascend from 0 to 1, unlike {self.low:g}, {self.middle:g}, {self.high:g}")

    def verdict(self, probability: float) -> str:
        """What the server says of a video with this probability, if it says anything."""
        return VERDICTS[sum(probability >= band for band in astuple(self))]

    def share(self, people: People, *verdicts: str) -> float:
        """How much (0 to 1) of these people's videos get one of the verdicts, every person alike."""
        return sum(
            sum(self.verdict(probability) in verdicts for probability in videos) / len(videos)
            for videos in people.values()
        ) / len(people)


def fit_bands(people: People, shipped: Bands, *, false_alarms: float, lowest_alarm: float) -> Bands:
    """The bands of this module's description.

    ``false_alarms``: the share of genuine videos that may be called fake or likely fake; ``lowest_alarm``:
    the least probability that is called so. Raises ValueError for shares that make no sense.
    """
    if not 0.0 < false_alarms < 1.0:
        raise ValueError(f"the share of false alarms lies between 0 and 1, unlike {false_alarms:g}")
    if not 0.0 <= lowest_alarm <= 1.0:
        raise ValueError(f"the lowest alarm is a probability, unlike {lowest_alarm:g}")
    middle = max(_alarm(people, shipped.middle, false_alarms), lowest_alarm)
    high = max(_alarm(people, shipped.high, min(FAKE_RATE, false_alarms)), middle)
    usual = _median(people)
    low = min(usual, _shrunk(usual, shipped.low, len(people)), middle, EVEN)
    return Bands(low, middle, high)


def needed_people(rate: float) -> int:
    """The fewest people with whom this rate can be promised."""
    return math.ceil(round(1.0 / rate, 9)) - 1


def _alarm(people: People, shipped: float, rate: float) -> float:
    """The lowest band above which genuine videos lie as rarely as is promised."""
    own = _promised(people, rate)
    if own is None:
        return max(shipped, _above(max(probability for _, probability in _weighted(people))))
    return max(own, _shrunk(own, shipped, len(people)))


def _promised(people: People, rate: float) -> Optional[float]:
    """The conformal band, None where no band keeps the promise."""
    if len(people) < needed_people(rate):
        return None
    left = rate * (len(people) + 1) - 1.0  # people's worth of videos that may lie above
    for weight, probability in sorted(_weighted(people), key=lambda one: -one[1]):
        left -= weight
        if left < -ROUNDING:
            return _above(probability)
    return 0.0


def _median(people: People) -> float:
    """The probability that half of the weight lies at or below."""
    below = 0.0
    for weight, probability in sorted(_weighted(people), key=lambda one: one[1]):
        below += weight
        if below >= len(people) / 2.0 - ROUNDING:
            return probability
    raise ValueError("a median needs a video")


def _weighted(people: People) -> Iterator[tuple[float, float]]:
    """Each video's weight, of one a person, and its probability."""
    return ((1.0 / len(videos), probability) for videos in people.values() for probability in videos)


def _above(probability: float) -> float:
    """The lowest band that this probability, which was rounded, does not reach."""
    return min(1.0, round(probability + STEP, DECIMALS))


def _shrunk(own: float, shipped: float, people: int) -> float:
    """A band between the own and the shipped one; the own one where there are people enough."""
    weight = min(1.0, people / ENOUGH)
    if weight == 1.0:
        return own
    logit = weight * _logit(own) + (1.0 - weight) * _logit(shipped)
    return round(1.0 / (1.0 + math.exp(-logit)), DECIMALS)


def _logit(probability: float) -> float:
    """Bands of 0 and 1 (never, always) count as the least and the most that a result can say."""
    inside = min(1.0 - STEP, max(STEP, probability))
    return math.log(inside / (1.0 - inside))
