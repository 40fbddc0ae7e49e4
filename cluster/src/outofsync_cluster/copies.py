"""``--near-duplicates skip``: a copy of what is judged, or about to be, takes its result instead of its own.

A fake whose lips were made anew must not take the result of its original, so what passes for the same here is
closer than what is reported as a copy: another container, volume or bit rate, seldom another size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outofsync_cluster.fingerprints import HASH_BITS, KINDS
from outofsync_cluster.likeness import BAND_BITS, LONGER, LONGER_S, compared, parsed

MOST = np.array([4.0, 5.0, 4.0])  # bits of 64 by which face, mouth and sound differ on average …
WORST = np.array([8.0, 10.0, 8.0])  # … and at any one place
BANDED_PLACES = (1, 2, 3)  # whose sound brings copies together; more would only take memory
CROWD = 50  # compared of those that share a band


@dataclass(frozen=True, slots=True)
class Seen:
    """A content that was met: its SHA-256, hashes (places, kinds), where there are any, and its length."""

    sha256: str
    bits: NDArray[Any]
    seen: NDArray[Any]
    duration_s: float


class Copies:
    """The contents that were met, by parts of their hashes."""

    def __init__(self) -> None:
        self._bands: dict[tuple[int, int], list[Seen]] = {}

    def claim(self, sha256: str, fingerprint: str, duration_s: float) -> str | None:
        """The content that this one is a copy of; else later ones may be copies of it."""
        bits, seen = parsed([fingerprint])
        video = Seen(sha256, bits[0], seen[0], duration_s)
        bands = list(_bands(video))
        met = {one.sha256: one for band in bands for one in self._bands.get(band, ())}
        if sha256 in met:
            return None
        for one in met.values():
            if _same(video, one):
                return one.sha256
        for band in bands:
            members = self._bands.setdefault(band, [])
            if len(members) < CROWD:
                members.append(video)
        return None

    def keep(self, is_done: Callable[[str], bool]) -> None:
        """Forget contents, by their SHA-256, that came to nothing."""
        kept = {band: [one for one in met if is_done(one.sha256)] for band, met in self._bands.items()}
        self._bands = {band: met for band, met in kept.items() if met}


def _same(video: Seen, other: Seen) -> bool:
    shorter, longer = sorted((video.duration_s, other.duration_s))
    if longer > max(shorter * LONGER, shorter + LONGER_S):
        return False
    bits, seen = np.stack([video.bits, other.bits]), np.stack([video.seen, other.seen])
    found = compared(bits, seen, np.array([0]), np.array([1]))
    return bool((found.mean[0] <= MOST).all() and (found.worst[0] <= WORST).all())


def _bands(video: Seen) -> Iterator[tuple[int, int]]:
    sound = KINDS.index("sound")
    for place in BANDED_PLACES:
        if video.seen[place, sound]:
            value = int(video.bits[place, sound])
            for shift in range(0, HASH_BITS, BAND_BITS):
                yield place * HASH_BITS + shift, value >> shift & (1 << BAND_BITS) - 1
