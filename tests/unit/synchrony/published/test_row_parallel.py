"""Passes shared out to threads: all rows, in order, one core a share."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from outofsync.synchrony.published.row_parallel import RowParallel


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("rows", [1, 2, 3, 10])
def test_shares_cover_all_rows_in_order(threads: int, rows: int) -> None:
    column = torch.arange(float(rows))
    doubled, negated = RowParallel(threads).map(lambda x, y: (2 * x, -y), column, column)
    assert doubled.tolist() == [2.0 * row for row in range(rows)]
    assert negated.tolist() == [-1.0 * row for row in range(rows)]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_overlapping_shares_see_the_rows_before_their_own(threads: int) -> None:
    column = torch.arange(9.0).square()
    (differences,) = RowParallel(threads).map(lambda x: (x[2:] - x[:-2],), column, overlap=2)
    assert torch.equal(differences, column[2:] - column[:-2])


def test_each_share_is_computed_by_a_thread_of_its_own_on_one_core() -> None:
    met = threading.Barrier(2, timeout=30)

    def function(x: Tensor) -> tuple[Tensor]:
        met.wait()  # broken, were shares computed one after the other
        assert torch.is_inference_mode_enabled()
        return (torch.full_like(x, torch.get_num_threads()),)

    (threads,) = RowParallel(2).map(function, torch.zeros(2))
    assert threads.tolist() == [1.0, 1.0]


def test_a_crew_leaves_other_threads_their_cores() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        RowParallel(3)
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_whoever_counts_operations_sees_them_all() -> None:
    square = torch.ones(4, 4)
    with FlopCounterMode(display=False) as counter:
        RowParallel(2).map(lambda x: (x @ square,), square)
    assert counter.get_total_flops() == 2 * 4**3


def test_an_error_in_a_share_is_raised() -> None:
    def function(x: Tensor) -> tuple[Tensor]:
        raise ValueError(f"{len(x)} rows")

    with pytest.raises(ValueError, match="2 rows"):
        RowParallel(2).map(function, torch.zeros(4))
