"""How long the rest takes: right within a fifth after a tenth of it, and honest about what is not known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest

from gateway.pace import ANSWER_S, PRIOR_S, Pace, rounded
from outofsync.progress import COUNTED, Amount, Step

FRAMES = {Step.FACES: 15000.0, Step.DEBLUR: 900.0, Step.COMPARE: 14000.0, Step.SCORE: 14000.0}


def moments(
    costs: dict[Step, float], every: float = 0.01
) -> Iterator[tuple[Step, dict[Step, Amount], float]]:
    """A request at every hundredth of each step: the step, what is told of it, and what is left in truth."""
    amounts = {step: Amount(0, 0, frames) for step, frames in FRAMES.items()}
    answer_s = ANSWER_S * FRAMES[Step.SCORE]
    for place, step in enumerate(COUNTED):
        later = sum(costs[name] * FRAMES[name] for name in COUNTED[place + 1 :])
        share = every
        while share <= 1.0:
            done = share * FRAMES[step]
            amounts[step] = replace(amounts[step], spent_s=costs[step] * done, done=done)
            yield step, dict(amounts), later + costs[step] * (FRAMES[step] - done) + answer_s
            share += every


def errors(pace: Pace, costs: dict[Step, float]) -> list[float]:
    """Shares of what is left by which it is wrong, once a tenth has passed, until nearly all has."""
    whole = sum(costs[step] * FRAMES[step] for step in COUNTED)
    found = []
    for step, amounts, left in moments(costs):
        said = pace.remaining_s(step, amounts)
        assert said is not None
        if 0.02 * whole < left < 0.9 * whole:
            found.append(abs(said - left) / left)
    assert found
    return found


@pytest.mark.parametrize("speed", [0.25, 1.0, 3.0])
def test_the_first_request_is_measured_by_its_own_pace(speed: float) -> None:
    costs = {step: speed * cost for step, cost in PRIOR_S.items()}
    assert max(errors(Pace(), costs)) < 0.05


def test_what_others_took_is_what_the_steps_to_come_will_take() -> None:
    costs = {Step.FACES: 0.02, Step.DEBLUR: 0.01, Step.COMPARE: 0.009, Step.SCORE: 0.002}
    pace = Pace()
    assert max(errors(pace, costs)) > 0.2, "a machine on which the steps' costs have other proportions"
    pace.learn({step: Amount(cost * 1000, 1000, 1000) for step, cost in costs.items()})
    assert max(errors(pace, costs)) < 0.05


def test_a_server_that_grows_slower_is_known_for_it_soon() -> None:
    costs = dict.fromkeys(COUNTED, 0.01)
    pace = Pace()
    pace.learn({step: Amount(0.004 * 5000, 5000, 5000) for step in COUNTED})
    for _ in range(5):
        pace.learn({step: Amount(0.01 * 5000, 5000, 5000) for step in COUNTED})
    assert max(errors(pace, costs)) < 0.2


def test_nothing_is_learnt_from_a_few_frames() -> None:
    pace = Pace()
    pace.learn(dict.fromkeys(COUNTED, Amount(60.0, 60, 60)))
    assert max(errors(pace, dict(PRIOR_S))) < 0.05


def test_what_is_made_ready_first_is_not_taken_for_the_pace() -> None:
    """The first 20 frames of every step take a second more."""
    pace = Pace()
    pace.learn({step: Amount(cost * 15000, 15000, 15000) for step, cost in PRIOR_S.items()})
    amounts = {step: Amount(0.0, 0.0, 15000.0) for step in COUNTED}
    told = pace.remaining_s(Step.FACES, amounts | {Step.FACES: Amount(1.0, 100.0, 15000.0)})
    assert told == pytest.approx(15000 * sum(PRIOR_S.values()), rel=0.2)
    told = pace.remaining_s(
        Step.SCORE,
        {step: Amount(9.0, 15000.0, 15000.0) for step in COUNTED} | {Step.SCORE: Amount(1.0, 100.0, 15000.0)},
    )
    assert told == pytest.approx(15000 * PRIOR_S[Step.SCORE], rel=0.5)


def test_it_does_not_jump() -> None:
    costs = {step: 1.1 * cost for step, cost in PRIOR_S.items()}
    said = [Pace().remaining_s(step, amounts) for step, amounts, _ in moments(costs)][10:]
    for before, after in pairwise(said):
        assert before is not None
        assert after is not None
        assert after <= 1.02 * before


def test_what_cannot_be_known_is_not_said() -> None:
    pace = Pace()
    all_of_it = {step: Amount(1.0, 100, 1000) for step in COUNTED}
    assert pace.remaining_s("queued", all_of_it) is None
    assert pace.remaining_s(Step.DECODE, all_of_it) is None
    assert pace.remaining_s(Step.FACES, {}) is None
    assert pace.remaining_s(Step.FACES, {Step.FACES: Amount(1.0, 100, 1000)}) is None, "what comes is unknown"
    assert pace.remaining_s(Step.FACES, dict.fromkeys(COUNTED, Amount(0.1, 1, 1000))) is None, "too early"
    assert pace.remaining_s(Step.SCORE, {Step.SCORE: Amount(5.0, 1000, 1000)}) == 1000 * ANSWER_S


def test_nobody_is_told_more_than_he_wants_to_know() -> None:
    assert [rounded(value) for value in (None, 0.04, 3.14159, 61.7)] == [None, 0.0, 3.1, 62.0]
