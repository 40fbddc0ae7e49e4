"""How alike two videos are, by their fingerprints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outofsync_cluster.fingerprints import DIGITS, KINDS, MISSING, PLACES

ALIKE = {"face": 12.0, "sound": 14.0}  # of 64 bits that differ, on average over the places, at most
COPY = {"face": 8.0, "mouth": 10.0, "sound": 6.0}
WORST = {"face": 14.0, "mouth": 17.0, "sound": 12.0}  # at any one place of a copy: a change may be short
MIN_PLACES = 3  # of five, at which both must be seen or heard
BAND_BITS = 16
LONGER = 1.03  # times, that one may be longer than the other …
LONGER_S = 0.15  # … or seconds: containers round
Array = NDArray[Any]


@dataclass(frozen=True)
class Compared:
    """Pairs of videos: mean and worst distances (pairs, kinds), not a number where too little is seen."""

    mean: Array
    worst: Array

    @property
    def alike(self) -> Array:
        return self._within(ALIKE)

    @property
    def copies(self) -> Array:
        most = np.array([WORST[kind] for kind in KINDS])
        return self.alike & self._within(COPY) & (self.worst <= most).all(1)

    def _within(self, most: dict[str, float]) -> Array:
        places = [KINDS.index(kind) for kind in most]
        return np.asarray((self.mean[:, places] <= np.array(list(most.values()))).all(1))


def parsed(fingerprints: Sequence[str]) -> tuple[Array, Array]:
    """Hashes uint64 (videos, places, kinds), and where there are any."""
    shape = (len(fingerprints), PLACES, len(KINDS))
    words = (text[start : start + DIGITS] for text in fingerprints for start in range(0, len(text), DIGITS))
    values = [(0, False) if word == MISSING else (int(word, 16), True) for word in words]
    bits = np.fromiter((value for value, _ in values), np.uint64, len(values))
    return bits.reshape(shape), np.fromiter((is_seen for _, is_seen in values), bool).reshape(shape)


def compared(bits: Array, seen: Array, first: Array, second: Array) -> Compared:
    """The distances of pairs."""
    both = seen[first] & seen[second]  # (pairs, places, kinds)
    differ = np.where(both, np.bitwise_count(bits[first] ^ bits[second]).astype(np.float64), 0.0)
    number = both.sum(1)
    mean = np.where(number >= MIN_PLACES, differ.sum(1) / np.maximum(number, 1), np.nan)
    return Compared(mean, differ.max(1, initial=0.0))
