"""Work done ahead: in order, not further than asked, and failing where its result would have come."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from outofsync.prefetch import prefetch


def square(number: int) -> int:
    if number == 13:
        raise RuntimeError("thirteen")
    return number * number


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_order(threads: int) -> None:
    assert list(prefetch([partial(square, number) for number in range(12)], threads)) == [
        number * number for number in range(12)
    ]
    assert list(prefetch([], threads)) == []


@pytest.mark.parametrize(("threads", "begun"), [(1, 1), (3, 7)])
def test_no_more_is_begun_than_asked(threads: int, begun: int) -> None:
    asked = 0

    def tasks() -> Iterator[Callable[[], int]]:
        nonlocal asked
        for number in range(100):
            asked += 1
            yield partial(square, number)

    results = prefetch(tasks(), threads)
    assert next(results) == 0
    assert asked == begun


@pytest.mark.parametrize("threads", [1, 3])
def test_a_failure_comes_in_its_turn(threads: int) -> None:
    results = prefetch([partial(square, number) for number in (11, 12, 13, 14)], threads)
    assert [next(results), next(results)] == [121, 144]
    with pytest.raises(RuntimeError, match="thirteen"):
        next(results)


def test_one_thread_is_the_callers_own() -> None:
    assert list(prefetch([threading.get_ident], 1)) == [threading.get_ident()]
    assert list(prefetch([threading.get_ident], 2)) != [threading.get_ident()]
