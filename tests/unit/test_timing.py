"""Stopwatches: stages add up, and never to more than the time that passed."""

from __future__ import annotations

import time
from collections.abc import Iterator

from outofsync.timing import Stopwatch


def test_blocks_of_one_name_add_up() -> None:
    watch = Stopwatch()
    for _ in range(2):
        with watch.stage("work"):
            time.sleep(0.01)
    assert watch.timing_ms["work"] >= 20


def test_a_stage_within_another_stops_its_clock() -> None:
    watch, begun = Stopwatch(), time.perf_counter()
    with watch.stage("outer"):
        time.sleep(0.01)
        with watch.stage("inner"):
            time.sleep(0.05)
        time.sleep(0.01)
    passed_ms = (time.perf_counter() - begun) * 1000
    assert watch.timing_ms["inner"] >= 50
    assert watch.timing_ms["outer"] >= 20
    assert sum(watch.timing_ms.values()) <= passed_ms + 0.01


def test_a_generator_that_pulls_on_another_is_timed_once() -> None:
    watch = Stopwatch()

    def slow() -> Iterator[None]:
        for _ in range(3):
            time.sleep(0.01)
            yield None

    def outer() -> Iterator[None]:
        yield from watch.each("inner", slow())

    begun = time.perf_counter()
    assert len(list(watch.each("outer", outer()))) == 3
    assert sum(watch.timing_ms.values()) <= (time.perf_counter() - begun) * 1000 + 0.01
    assert watch.timing_ms["inner"] >= 30


def test_a_stage_that_fails_is_timed_too() -> None:
    watch = Stopwatch()
    try:
        with watch.stage("work"):
            raise ValueError
    except ValueError:
        pass
    with watch.stage("more"):
        pass
    assert set(watch.timing_ms) == {"work", "more"}
