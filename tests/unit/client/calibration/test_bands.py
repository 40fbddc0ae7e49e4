"""Where the bands lie for the probabilities of one's own videos, and what that promises."""

from __future__ import annotations

import random

import pytest

from outofsync_client.calibration import Bands, fit_bands, interval, needed_people

SHIPPED = Bands(0.3, 0.6, 0.9)
ALARMS = ("likely_fake", "fake")
People = dict[str, list[float]]


def fitted(people: People, *, false_alarms: float = 0.05, lowest_alarm: float = 0.0) -> Bands:
    return fit_bands(people, SHIPPED, false_alarms=false_alarms, lowest_alarm=lowest_alarm)


def spread(count: int, *, low: float = 0.0, high: float = 1.0) -> People:
    """People with a video each, their probabilities evenly between these."""
    return {f"person {place}": [low + (high - low) * (place + 0.5) / count] for place in range(count)}


@pytest.mark.parametrize(
    ("probability", "verdict"),
    [(0.29, "real"), (0.3, "likely_real"), (0.5, "likely_real"), (0.6, "likely_fake"), (0.9, "fake")],
)
def test_bands_give_the_servers_verdict(probability: float, verdict: str) -> None:
    assert SHIPPED.verdict(probability) == verdict


@pytest.mark.parametrize(
    "bands", [(0.5, 0.4, 0.9), (-0.1, 0.5, 0.9), (0.1, 0.5, 1.1), (0.1, float("nan"), 1)]
)
def test_bands_that_do_not_ascend_are_refused(bands: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="ascend"):
        Bands(*bands)


def test_many_people_set_the_bands_alone() -> None:
    people = spread(1000)
    bands = fitted(people)
    assert 0.04 < bands.share(people, *ALARMS) <= 0.05
    assert 0.005 < bands.share(people, "fake") <= 0.01
    assert bands.low == pytest.approx(0.5, abs=1e-3)


def test_a_new_person_is_counted_among_the_false_alarms() -> None:
    """Of 19 people, none may lie above a band that promises 5 %; of 39, one."""
    for count, above in ((19, 0), (38, 0), (39, 1), (59, 2)):
        people = spread(count, low=0.7)
        assert round(count * fitted(people).share(people, *ALARMS)) == above


@pytest.mark.parametrize(("rate", "people"), [(0.05, 19), (0.01, 99), (0.1, 9), (0.03, 33), (0.5, 1)])
def test_a_promise_takes_people(rate: float, people: int) -> None:
    assert needed_people(rate) == people


def test_every_person_weighs_alike() -> None:
    """A hundred videos of one person are no more than one person's."""
    people = spread(200, high=0.7)
    once = fitted(people)
    people["person 0"] = [0.99] * 100
    assert fitted(people).middle == pytest.approx(once.middle, abs=0.01)
    people.update({f"person {place}": [0.99] for place in range(20)})
    assert fitted(people).middle > 0.98


def test_too_few_people_lower_no_alarm() -> None:
    low = fitted(spread(18, high=0.2))
    assert (low.middle, low.high) == (SHIPPED.middle, SHIPPED.high)
    high = fitted({**spread(17, high=0.2), "the worst": [0.95]})
    assert 0.95 < high.middle == high.high < 0.9501


def test_few_people_raise_an_alarm_at_once_and_lower_it_by_and_by() -> None:
    raised = fitted(spread(20, low=0.6, high=0.8))
    assert raised.middle == pytest.approx(0.795, abs=1e-3)
    lowered = [fitted(spread(count, high=0.2)).middle for count in (20, 50, 99, 100)]
    assert SHIPPED.middle > lowered[0] > lowered[1] > lowered[2]
    assert lowered[3] == pytest.approx(0.2, abs=0.01)
    assert fitted(spread(98, high=0.2)).high == SHIPPED.high, "98 people say nothing of one in a hundred"


def test_few_people_do_not_widen_real_at_once() -> None:
    wide, narrow = fitted(spread(20, low=0.5)), fitted(spread(20, high=0.1))
    assert SHIPPED.low < wide.low < 0.5
    assert narrow.low == pytest.approx(0.05, abs=0.01)


def test_an_alarm_never_contradicts_its_probability() -> None:
    bands = fitted(spread(500, high=0.2), lowest_alarm=0.5)
    assert bands.middle == bands.high == 0.5
    assert bands.low == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_probabilities_at_their_ends_are_bands_too(probability: float) -> None:
    for count in (5, 50, 500):
        people = {str(place): [probability] for place in range(count)}
        bands = fitted(people)
        assert bands.share({"certain": [0.9999999]}, *ALARMS) == (1.0 if probability == 0.0 else 0.0)


@pytest.mark.parametrize("seed", range(50))
def test_bands_are_in_order_whatever_the_videos_are_like(seed: int) -> None:
    draw = random.Random(seed)
    count = draw.choice([1, 18, 19, 60, 99, 100, 200])
    people = {
        str(place): [round(draw.random() ** draw.choice([0.2, 1, 5]), 6) for _ in range(draw.randint(1, 5))]
        for place in range(count)
    }
    shipped = Bands(*sorted(draw.random() for _ in range(3)))
    rate, floor = draw.choice([0.002, 0.01, 0.05, 0.3, 0.9]), draw.choice([0.0, 0.5, 0.9])
    bands = fit_bands(people, shipped, false_alarms=rate, lowest_alarm=floor)
    assert bands.middle >= floor
    assert bands.share(people, *ALARMS) <= rate + 1e-9
    assert bands.share(people, "fake") <= max(0.01, 1 / count)


def test_the_promise_holds_for_people_who_were_not_asked() -> None:
    """On average over many draws of 40 people with one to six videos each that resemble one another."""
    draw = random.Random(0)

    def person() -> list[float]:
        own = draw.random()
        return [round(0.8 * own + 0.2 * draw.random(), 6) for _ in range(draw.randint(1, 6))]

    alarms = 0.0
    for _ in range(400):
        bands = fit_bands(
            {str(place): person() for place in range(40)}, Bands(0, 0, 0), false_alarms=0.1, lowest_alarm=0
        )
        alarms += bands.share({"new": person()}, *ALARMS) / 400
    assert 0.05 < alarms <= 0.1


@pytest.mark.parametrize(("false_alarms", "lowest"), [(0.0, 0.5), (1.0, 0.5), (0.05, 1.5)])
def test_shares_that_make_no_sense_are_refused(false_alarms: float, lowest: float) -> None:
    with pytest.raises(ValueError, match="unlike"):
        fitted(spread(20), false_alarms=false_alarms, lowest_alarm=lowest)


@pytest.mark.parametrize(
    ("share", "people", "low", "high"),
    [  # scipy.stats.binomtest(...).proportion_ci()
        (0.0, 20, 0.0, 0.168433),
        (0.05, 20, 0.001265, 0.248733),
        (0.05, 1000, 0.037335, 0.065392),
        (1.0, 20, 0.831567, 1.0),
    ],
)
def test_the_interval_is_the_exact_one(share: float, people: int, low: float, high: float) -> None:
    assert interval(share, people) == pytest.approx((low, high), abs=1e-5)


def test_parts_of_a_person_are_counted_carefully() -> None:
    low, high = interval(0.075, 20)  # one and a half
    assert low == pytest.approx(interval(0.05, 20)[0])
    assert high == pytest.approx(interval(0.10, 20)[1])
