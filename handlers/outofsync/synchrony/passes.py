"""Streams of tensors through a network, in fixed-size passes and sliding windows, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor

Row = tuple[Tensor, ...]


def in_passes(rows: Iterable[Row], size: int, function: Callable[..., tuple[Tensor, ...]]) -> Iterator[Row]:
    """Map rows through a function of stacked columns, ``size`` rows a pass.

    A last pass is filled up with copies of its last row: kernels may round differently when a shape changes,
    and a clip's numbers must not depend on the batch it travels in.
    """
    remaining = iter(rows)
    while group := list(islice(remaining, size)):
        filled = group + group[-1:] * (size - len(group))
        results = function(*(torch.stack(column) for column in zip(*filled, strict=True)))
        yield from islice(zip(*results, strict=True), len(group))


def sliding(rows: Iterable[Row], counts: Sequence[int], length: int) -> Iterator[Tensor]:
    """Stacks of ``length`` consecutive rows; of each clip in turn, ``counts`` says how many (at least one).

    Rows hold one tensor each, and a clip has ``count + length − 1`` of them.
    """
    tensors = (tensor for (tensor,) in rows)
    for count in counts:
        recent = deque(islice(tensors, length - 1), maxlen=length)
        for tensor in islice(tensors, count):
            recent.append(tensor)
            yield torch.stack(tuple(recent))
