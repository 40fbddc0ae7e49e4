"""Work shared by threads: each gets its own rows back, and only who shared a round shares its failure."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from outofsync.dynamic_batcher import DynamicBatcher, Rows


def rows(number: int, count: int, width: int = 2) -> Rows:
    return np.full((count, width), number, np.uint8)


def inverted(groups: Sequence[Rows]) -> list[Rows]:
    return [255 - group for group in groups]


class Held:
    """Work whose first round does not end before it is let go, so that others pile up behind it."""

    def __init__(self) -> None:
        self.begun, self.let_go = threading.Event(), threading.Event()
        self.rounds: list[list[int]] = []  # the first number of each array, round by round

    def __call__(self, groups: Sequence[Rows]) -> list[Rows]:
        self.rounds.append([int(group[0, 0]) for group in groups])
        self.begun.set()
        self.let_go.wait()
        if 13 in self.rounds[-1]:
            raise RuntimeError("thirteen")
        return inverted(groups)


def pile_up(held: Held, brought: Sequence[Rows]) -> list[Rows | BaseException]:
    """Let the first thread begin, all others queue up in order, and then everything run."""
    shared = DynamicBatcher(held)
    with ThreadPoolExecutor(len(brought)) as pool:
        futures = [pool.submit(shared, brought[0])]
        held.begun.wait()
        for waiting, more in enumerate(brought[1:], 1):
            futures.append(pool.submit(shared, more))
            while len(shared._queue) < waiting:
                pass
        held.let_go.set()
        return [future.exception() or future.result() for future in futures]


def test_a_thread_alone_waits_for_nobody() -> None:
    shared = DynamicBatcher(inverted)
    for count in (3, 1, 0):
        assert np.array_equal(shared(rows(7, count)), rows(248, count))


def test_what_waits_is_done_in_one_round() -> None:
    held = Held()
    results = pile_up(held, [rows(1, 2), rows(2, 1), rows(3, 4), rows(4, 1)])
    assert held.rounds == [[1], [2, 3, 4]]
    for number, count, result in zip((1, 2, 3, 4), (2, 1, 4, 1), results, strict=True):
        assert isinstance(result, np.ndarray)
        assert np.array_equal(result, rows(255 - number, count))


def test_other_shapes_wait_for_a_round_of_their_own() -> None:
    held = Held()
    pile_up(held, [rows(1, 1), rows(2, 1, width=5), rows(3, 1), rows(4, 2, width=5)])
    assert held.rounds == [[1], [2, 4], [3]]


def test_a_failure_reaches_its_round_and_nobody_else() -> None:
    held = Held()
    results = pile_up(held, [rows(1, 1), rows(13, 1), rows(2, 1, width=5), rows(3, 1)])
    assert held.rounds == [[1], [13, 3], [2]]
    assert [isinstance(result, RuntimeError) for result in results] == [False, True, False, True]


def test_many_threads_over_many_rounds_each_get_their_own() -> None:
    shared = DynamicBatcher(inverted)

    def caller(seed: int) -> bool:
        random = np.random.default_rng(seed)
        alright = True
        for _ in range(200):
            mine = random.integers(0, 256, (random.integers(0, 5), random.integers(1, 4)), np.uint8)
            alright &= np.array_equal(shared(mine), 255 - mine)
        return alright

    with ThreadPoolExecutor(12) as pool:
        assert all(pool.map(caller, range(12)))


def test_work_goes_on_after_a_failure() -> None:
    def strict(groups: Sequence[Rows]) -> list[Rows]:
        if any(13 in group for group in groups):
            raise RuntimeError("thirteen")
        return inverted(groups)

    shared = DynamicBatcher(strict)
    with pytest.raises(RuntimeError, match="thirteen"):
        shared(rows(13, 1))
    assert np.array_equal(shared(rows(1, 1)), rows(254, 1))
