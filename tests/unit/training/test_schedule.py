"""Learning rates rise and fall once over a run, whether it ends by steps or by minutes."""

from __future__ import annotations

import time

import pytest
import torch
from torch.optim import SGD, Optimizer

from training.schedule import BEGIN, END, OneCycle

RATE = 2.0


class Clock:
    """Time that passes only when told to."""

    def __init__(self) -> None:
        self.seconds = 500.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stopped = Clock()
    monkeypatch.setattr(time, "monotonic", stopped)
    return stopped


def optimiser() -> Optimizer:
    """Two groups: both are told."""
    return SGD([{"params": [torch.zeros(1, requires_grad=True)]} for _ in range(2)], lr=9.0)


def rate_of(optimiser: Optimizer) -> float:
    (rate,) = {group["lr"] for group in optimiser.param_groups}
    return float(rate)


def rates(optimiser: Optimizer, cycle: OneCycle, steps: int) -> list[float]:
    """The rate of each step."""
    found = []
    for _ in range(steps):
        found.append(rate_of(optimiser))
        cycle.step()
    return found


def test_the_rate_rises_then_falls() -> None:
    sgd = optimiser()
    cycle = OneCycle(sgd, RATE, steps=100, warmup=0.3)
    found = rates(sgd, cycle, 101)
    assert found[0] == pytest.approx(RATE * BEGIN)
    assert found[30] == max(found) == pytest.approx(RATE)
    assert found[100] == pytest.approx(RATE * END)
    assert found[:31] == sorted(found[:31])
    assert found[30:] == sorted(found[30:], reverse=True)


def test_a_run_ends_after_its_steps(clock: Clock) -> None:
    sgd = optimiser()
    cycle = OneCycle(sgd, RATE, steps=4, warmup=0.25, minutes=10)
    for done in range(4):
        assert cycle.progress == done / 4
        cycle.step()
        clock.seconds += 1
    assert cycle.progress == 1
    cycle.step()
    assert cycle.progress == 1
    assert rate_of(sgd) == pytest.approx(RATE * END)


def test_a_run_ends_when_its_time_is_up(clock: Clock) -> None:
    sgd = optimiser()
    cycle = OneCycle(sgd, RATE, steps=1000, warmup=0.25, minutes=2)
    cycle.step()
    clock.seconds += 30
    cycle.step()
    assert cycle.progress == pytest.approx(0.25)
    assert rate_of(sgd) == pytest.approx(RATE)
    clock.seconds += 90
    cycle.step()
    assert cycle.progress == 1
    assert rate_of(sgd) == pytest.approx(RATE * END)


def test_a_run_goes_on_where_it_was_interrupted(clock: Clock) -> None:
    cycle = OneCycle(optimiser(), RATE, steps=1000, warmup=0.25, minutes=2)
    for _ in range(3):
        cycle.step()
        clock.seconds += 20
    state = cycle.state_dict()
    clock.seconds += 3600  # nobody was training then

    sgd = optimiser()
    resumed = OneCycle(sgd, RATE, steps=1000, warmup=0.25, minutes=2)
    resumed.load_state_dict(state)
    assert resumed.progress == cycle.progress == pytest.approx(40 / 120)
    resumed.step()
    assert resumed.progress == cycle.progress
    clock.seconds += 80
    resumed.step()
    assert resumed.progress == 1
    assert rate_of(sgd) == pytest.approx(RATE * END)


def test_steps_of_an_interrupted_run_count() -> None:
    sgd, other = optimiser(), optimiser()
    cycle = OneCycle(sgd, RATE, steps=10, warmup=0.3)
    whole = rates(sgd, cycle, 5)
    resumed = OneCycle(other, RATE, steps=10, warmup=0.3)
    resumed.load_state_dict(cycle.state_dict())
    whole += rates(other, resumed, 5)
    again = optimiser()
    assert whole == rates(again, OneCycle(again, RATE, steps=10, warmup=0.3), 10)
