"""What a soak says of memory, and a short one from end to end."""

from __future__ import annotations

import os
import random

import pytest

from benchmarks.callers import Call
from benchmarks.vitals import Vitals, trend

HOUR = [10.0 * number for number in range(360)]


def noisy(slope_per_hour: float) -> list[float]:
    """An hour of memory (MB) that swings with the load, and doubles for a moment now and then."""
    chance = random.Random(1)
    swings = [chance.gauss(500.0, 3.0) + 500.0 * (chance.random() < 0.1) for _ in HOUR]
    return [swing + slope_per_hour * at / 3600.0 for swing, at in zip(swings, HOUR, strict=True)]


def test_memory_that_only_swings_is_flat() -> None:
    found = trend(HOUR, noisy(0.0))
    assert found is not None
    assert found.low < 0.0 < found.high
    assert found.verdict == "flat"


def test_memory_that_grows_is_found_out() -> None:
    found = trend(HOUR, noisy(40.0))
    assert found is not None
    assert found.slope == pytest.approx(40.0, abs=5.0)
    assert found.verdict == "grows"


def test_of_a_few_minutes_nothing_is_said() -> None:
    assert trend(HOUR[:30], noisy(40.0)[:30]) is None


def test_a_process_knows_what_it_holds() -> None:
    found = Vitals.of(os.getpid())
    assert found is not None
    assert 10.0 < found.pss_mb <= found.rss_mb
    assert found.threads >= 1
    assert found.descriptors >= 3


@pytest.mark.parametrize(
    ("kind", "outcome", "expected"),
    [
        ("video", "fine", True),
        ("video", "internal", False),
        ("broken", "corrupt_media", True),
        ("broken", "fine", False),
        ("broken", "internal", False),
        ("hang-up", "hung up", True),
    ],
)
def test_what_callers_may_see(kind: str, outcome: str, expected: bool) -> None:
    assert Call(0.0, kind, 1.0, outcome).expected is expected
