"""How fast this machine multiplies, and how many operations a piece of work takes: together, its floor.

    python -m benchmarks.matrix_rate

An operation is a floating-point multiplication or addition. Those of convolutions and matrix products are
counted, as they are called: what a library spares inside (products with padding, say) counts all the same.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import torch
from torch.utils.flop_counter import FlopCounterMode

SIDE = 2048
ROUNDS = 8

aten = torch.ops.aten

Shape = Sequence[int]


def _attention(query: Shape, key: Shape, value: Shape, *_: object, **__: object) -> int:
    batch, heads, asking, size = query
    return 2 * batch * heads * asking * key[2] * (size + value[3])


def _added_products(_: Shape, left: Shape, right: Shape, **__: object) -> int:
    batch, rows, inner = left
    return 2 * batch * rows * inner * right[2]


# What torch leaves out.
UNCOUNTED = {
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten.baddbmm_: _added_products,
}


def matrix_rate(side: int = SIDE, rounds: int = ROUNDS) -> float:
    """Operations a second in the fastest of several products of two square float32 matrices, on all cores."""
    left, right = torch.rand(side, side), torch.rand(side, side)
    product, seconds = torch.empty(side, side), math.inf
    for _ in range(rounds):
        start = time.perf_counter()
        torch.mm(left, right, out=product)
        seconds = min(seconds, time.perf_counter() - start)
    return 2 * side**3 / seconds


def operations(work: Callable[[], object]) -> int:
    """Operations of convolutions, matrix products and attention while ``work`` runs."""
    with FlopCounterMode(display=False, custom_mapping=UNCOUNTED) as counter:
        work()
    return int(counter.get_total_flops())


def main() -> None:
    print(f"{matrix_rate() / 1e9:.0f} GFLOP/s in float32 on {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
