"""From blocks that were measured to sums over a corpus, with intervals.

A stratum's sum is its bytes, which are known, times what its sample took for each byte (a separate ratio
estimator, Cochran 1977, section 6.10). The interval is of a bootstrap that draws blocks within strata, one
fewer than there are: that makes up for the spread of few being too small (Rao and Wu 1988).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
LEVEL = 95.0  # per cent
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A value and the interval that holds it as surely as LEVEL says."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float]:
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Blocks:
    """What the blocks of a stratum took.

    ``sizes`` (blocks,) in bytes and ``taken`` (blocks, quantities) are of the sample; ``size_bytes`` is the
    stratum's in the corpus. ``complete`` says that the sample is all of it.
    """

    size_bytes: int
    sizes: Floats
    taken: Floats
    complete: bool


def sums(strata: Sequence[Blocks], *, seed: int = 0) -> Floats:
    """Sums over the corpus (1 + RESAMPLES, quantities): as measured, and as they might have been."""
    random = np.random.default_rng(seed)
    found = []
    for stratum in strata:
        number = len(stratum.sizes)
        draws = np.full((RESAMPLES, number), 1.0)
        if not stratum.complete and number > 1:
            draws = random.multinomial(number - 1, np.full(number, 1 / number), RESAMPLES).astype(np.float64)
        weights = np.concatenate([np.ones((1, number)), draws])
        found.append(stratum.size_bytes * (weights @ stratum.taken) / (weights @ stratum.sizes)[:, None])
    return np.asarray(np.sum(found, axis=0), np.float64)


def estimate(drawn: Floats) -> Estimate:
    """Of a quantity (1 + RESAMPLES,), of which the first value is as measured."""
    low, high = np.percentile(drawn[1:], [50 - LEVEL / 2, 50 + LEVEL / 2])
    return Estimate(float(drawn[0]), float(low), float(high))
