"""The summary states what a run took, and its price; what was not measured is not stated."""

from __future__ import annotations

import pytest

from outofsync_cluster.cost import Cost, Prices
from outofsync_cluster.watching import Tally

RUN = Cost(videos=500, duration_s=5000.0, wall_s=1800.0, cpu_s=2500.0, gpu_s=0.0, cores=2, gpus=0)


def test_whole_machines_are_paid_for() -> None:
    assert RUN.per_thousand_videos(Prices(core_hour=0.05)) == pytest.approx(0.1)


def test_the_lines_of_the_summary() -> None:
    assert list(RUN.lines(Prices(core_hour=0.05))) == [
        ("videos/hour", "1,000"),
        ("seconds of video per core-second", "2.00"),
        ("cost per 1,000 videos", "0.1"),
    ]
    assert [name for name, _ in RUN.lines(Prices())] == ["videos/hour", "seconds of video per core-second"]


def test_a_run_without_videos_divides_by_nothing() -> None:
    empty = Cost(videos=0, duration_s=0, wall_s=0, cpu_s=0, gpu_s=0, cores=2, gpus=1)
    assert list(empty.lines(Prices(1, 1))) == []


def test_the_cost_of_a_run_is_read_from_its_summary() -> None:
    summary = Tally().summary() | {"videos": 3, "seconds": 36.0, "cores": 2.0, "gpus": 0.0}
    assert Cost.of(summary).per_thousand_videos(Prices(core_hour=0.3)) == pytest.approx(2.0)


def test_a_run_that_found_all_done_has_no_pace() -> None:
    idle = Cost(videos=0, duration_s=0.0, wall_s=1.5, cpu_s=0.0, gpu_s=0.0, cores=0.0, gpus=0.0)
    assert idle.lines(Prices(core_hour=0.04)) == []
