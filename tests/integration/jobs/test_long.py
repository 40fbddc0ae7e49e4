"""A video at work while all around it is restarted; ``make bench BENCH=long_job`` is the long form."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.long_job import across
from benchmarks.postgres import missing

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.mark.parametrize("postgres", [False, True])
def test_the_result_is_the_one_of_a_server_that_was_left_alone(small_store: Path, postgres: bool) -> None:
    if postgres and (reason := missing()):
        pytest.skip(reason)
    outcome = across(20.0, postgres=postgres, store=small_store)
    assert outcome.same
    assert outcome.attempts > 1
    assert len(outcome.disturbances) == 4 + postgres
