"""Streams of one clip's tensors through a network: passes of bounded size, and sliding windows.

Passes never mix clips. Kernels may round a row differently when its place in a pass or the size of the pass
changes, and a clip's numbers must be the same bits whatever batch it travels in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import torch
from torch import Tensor

Row = tuple[Tensor, ...]


def in_passes(rows: Iterable[Row], size: int, function: Callable[..., tuple[Tensor, ...]]) -> Iterator[Row]:
    """Map rows through a function of stacked columns, at most ``size`` rows a pass; read no further."""
    remaining = iter(rows)
    while group := list(islice(remaining, size)):
        results = function(*(torch.stack(column) for column in zip(*group, strict=True)))
        yield from zip(*results, strict=True)


def sliding(rows: Iterable[Row], length: int) -> Iterator[Tensor]:
    """Stacks of each ``length`` consecutive rows, which hold one tensor each."""
    tensors = (tensor for (tensor,) in rows)
    recent = deque(islice(tensors, length - 1), maxlen=length)
    for tensor in tensors:
        recent.append(tensor)
        yield torch.stack(tuple(recent))
