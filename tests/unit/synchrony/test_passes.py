"""Fixed-size passes and sliding windows over streams."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from outofsync.synchrony.passes import Row, in_passes, sliding


def rows(count: int) -> Iterator[Row]:
    return ((torch.tensor([float(index)]),) for index in range(count))


def test_passes_map_every_row_once_and_in_order() -> None:
    doubled = in_passes(rows(7), 3, lambda x: (2 * x, -x))
    assert [(a.item(), b.item()) for a, b in doubled] == [(2.0 * i, -1.0 * i) for i in range(7)]


def test_no_pass_is_larger_than_allowed() -> None:
    sizes = []

    def function(x: Tensor) -> tuple[Tensor]:
        sizes.append(len(x))
        return (x,)

    assert len(list(in_passes(rows(7), 3, function))) == 7
    assert sizes == [3, 3, 1]


def test_passes_read_no_further_than_they_must() -> None:
    source = rows(100)
    next(in_passes(source, 4, lambda x: (x,)))
    assert next(source)[0].item() == 4


def test_windows_slide_by_one_row() -> None:
    stacks = sliding(rows(5), length=3)
    assert [stack.flatten().tolist() for stack in stacks] == [[0, 1, 2], [1, 2, 3], [2, 3, 4]]


def test_too_few_rows_give_no_window() -> None:
    assert list(sliding(rows(2), length=3)) == []
