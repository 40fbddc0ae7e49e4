"""Jobs end, once, whatever is killed: the short form of ``make bench BENCH=jobs``."""

from __future__ import annotations

import pytest

from benchmarks.jobs import Tally, round_of
from benchmarks.postgres import missing

OFTEN = (0.2, 2.5)  # seconds between two kills


def check(tally: Tally, jobs: int) -> None:
    assert tally.accepted >= jobs
    assert tally.kills
    assert tally.kept_its_word, tally


def test_on_sqlite() -> None:
    check(round_of(gateways=1, postgres=False, jobs=40, kill_s=5.0, seed=1, pause_s=OFTEN), 40)


@pytest.mark.skipif(missing() is not None, reason=missing() or "")
def test_two_gateways_on_postgresql() -> None:
    check(round_of(gateways=2, postgres=True, jobs=40, kill_s=5.0, seed=2, pause_s=OFTEN), 40)
