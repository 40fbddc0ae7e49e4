"""Fixed-size passes and sliding windows over streams."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from outofsync.synchrony.published.chunking import Row, chunked, sliding


def rows(count: int) -> Iterator[Row]:
    return ((torch.tensor([float(index)]),) for index in range(count))


def test_passes_map_every_row_once_and_in_order() -> None:
    doubled = chunked(rows(7), 3, lambda x: (2 * x, -x))
    assert [(a.item(), b.item()) for a, b in doubled] == [(2.0 * i, -1.0 * i) for i in range(7)]


def test_no_pass_is_larger_than_allowed() -> None:
    sizes = []

    def function(x: Tensor) -> tuple[Tensor]:
        sizes.append(len(x))
        return (x,)

    assert len(list(chunked(rows(7), 3, function))) == 7
    assert sizes == [3, 3, 1]


def test_passes_read_no_further_than_they_must() -> None:
    source = rows(100)
    next(chunked(source, 4, lambda x: (x,)))
    assert next(source)[0].item() == 4


def test_overlapping_passes_see_the_rows_before_their_own() -> None:
    def differences(x: Tensor) -> tuple[Tensor]:
        sizes.append(len(x))
        return (x[2:] - x[:-2],)

    sizes = list[int]()
    squares = ((torch.tensor([float(index**2)]),) for index in range(9))
    found = [row.item() for (row,) in chunked(squares, 3, differences, overlap=2)]
    assert found == [(index + 2) ** 2 - index**2 for index in range(7)]
    assert sizes == [5, 5, 3]


def test_an_overlap_of_more_rows_than_there_are_gives_nothing() -> None:
    assert list(chunked(rows(2), 3, lambda x: (x,), overlap=2)) == []


def test_windows_slide_by_one_row() -> None:
    pairs = ((row, -row) for (row,) in rows(5))
    stacks = [(a.flatten().tolist(), b.flatten().tolist()) for a, b in sliding(pairs, length=3)]
    assert stacks == [
        ([0, 1, 2], [0, -1, -2]),
        ([1, 2, 3], [-1, -2, -3]),
        ([2, 3, 4], [-2, -3, -4]),
    ]


def test_too_few_rows_give_no_window() -> None:
    assert list(sliding(rows(2), length=3)) == []
