"""Which videos of a list are measured: some at random from each range of sizes, and the largest of all.

What a video takes grows with its size, so that a sample of a few dozen says much about millions once sizes,
which the list states of every video, are reckoned with. The list is walked through and never held.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from outofsync_cluster.inventory import Item

MAX_STRATA = 6
BLOCKS_EACH = 3  # of a stratum, at least: what one of them says is no measure of how much they differ
BINS_PER_OCTAVE = 8  # in which sizes are counted before they are divided


@dataclass
class Stratum:
    """A range of sizes: how many videos of the corpus lie in it, their bytes, and those that are measured."""

    count: int = 0
    size_bytes: int = 0
    sample: list[Item] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether all of it is measured."""
        return len(self.sample) == self.count


def sampled(items: Iterable[Item], size: int, *, block: int, seed: int = 0) -> list[Stratum]:
    """Divide what can be read of a list, which is walked through three times, into strata with samples.

    About ``size`` videos are chosen, in whole blocks of ``block`` videos, which are judged at once. The
    largest block is a stratum of its own: it decides how much memory is needed.
    """
    largest = heapq.nlargest(block, _readable(items), key=lambda item: (item.size_bytes, item.uri))
    named = {item.uri for item in largest}

    def others() -> Iterator[Item]:
        return (item for item in _readable(items) if item.uri not in named)

    blocks = max(1, size // block - 1)
    stratum_of, number = _divided(others(), min(MAX_STRATA, max(1, blocks // BLOCKS_EACH)))
    strata = [Stratum() for _ in range(number)]
    random = np.random.default_rng(seed)
    quota = block * max(1, blocks // number)
    for item in others():
        _offer(strata[stratum_of(item.size_bytes)], item, quota, random)
    for stratum in strata:  # a reservoir keeps the order of the list, and neighbours may be alike
        stratum.sample = [stratum.sample[place] for place in random.permutation(len(stratum.sample))]
    top = Stratum(len(largest), sum(item.size_bytes for item in largest), largest)
    return [stratum for stratum in (*strata, top) if stratum.sample]


def _readable(items: Iterable[Item]) -> Iterator[Item]:
    return (item for item in items if item.problem is None and item.size_bytes > 0)


def _divided(items: Iterable[Item], number: int) -> tuple[Callable[[int], int], int]:
    """Which stratum a size belongs to, and how many there are: each holds about as many bytes."""
    bytes_in = Counter[int]()
    for item in items:
        bytes_in[_bin(item.size_bytes)] += item.size_bytes
    total, reached = sum(bytes_in.values()), 0
    shares = dict[int, int]()
    for place in sorted(bytes_in):
        shares[place] = int(number * (reached + bytes_in[place] / 2) / total)
        reached += bytes_in[place]
    order = {share: index for index, share in enumerate(sorted(set(shares.values())))}
    return lambda size: order[shares[_bin(size)]], max(1, len(order))


def _bin(size_bytes: int) -> int:
    return int(math.log2(size_bytes) * BINS_PER_OCTAVE)


def _offer(stratum: Stratum, item: Item, quota: int, random: np.random.Generator) -> None:
    """Count a video; each of those that were offered is in the sample with the same probability."""
    stratum.count += 1
    stratum.size_bytes += item.size_bytes
    if len(stratum.sample) < quota:
        stratum.sample.append(item)
    elif (place := int(random.integers(stratum.count))) < quota:
        stratum.sample[place] = item
