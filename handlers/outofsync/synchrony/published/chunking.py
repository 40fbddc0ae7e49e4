"""Streams of one clip's tensors through a network: chunks of rows, each one pass, and sliding windows.

Chunks never mix clips. Kernels may round a row differently when its place in a pass or the size of the pass
changes, and a clip's numbers must be the same bits whatever batch it travels in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import torch
from torch import Tensor

Row = tuple[Tensor, ...]
Compute = Callable[..., Row]  # stacked columns → the columns of the results


def chunked(rows: Iterable[Row], size: int, function: Compute, *, overlap: int = 0) -> Iterator[Row]:
    """Map rows through a function of stacked columns (rows, …), at most ``size`` a pass; read no further.

    With an ``overlap``, a pass also sees that many rows before its own; the first of all have no results.
    """
    remaining = iter(rows)
    seen = list(islice(remaining, overlap))
    while new := list(islice(remaining, size)):
        group = seen + new
        results = function(*(torch.stack(column) for column in zip(*group, strict=True)))
        yield from zip(*results, strict=True)
        seen = group[len(new) :]


def sliding(rows: Iterable[Row], length: int) -> Iterator[Row]:
    """Stacks (length, …) of each ``length`` consecutive rows, column by column."""
    remaining = iter(rows)
    recent = deque(islice(remaining, length - 1), maxlen=length)
    for row in remaining:
        recent.append(row)
        yield tuple(torch.stack(column) for column in zip(*recent, strict=True))
