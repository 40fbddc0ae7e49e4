"""Which videos are the same in another coding, by their fingerprints.

A fake whose lips were made anew looks like its original: both are reported as alike, and only where mouths
and sound agree closely, too, is one called a ``copy`` of the other.

No video is compared with all: two that are alike share 16 bits of some hash nearly always (with 8 of 64 bits
changed, one of 40 such bands is untouched in 99 of 100 cases), so that sorting by each band brings them
together. Memory is 150 bytes a video, and 8 for each pair that shares a band.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from outofsync_cluster.fingerprints import HASH_BITS, KINDS, PLACES
from outofsync_cluster.likeness import BAND_BITS, LONGER, LONGER_S, Array, compared, parsed
from outofsync_cluster.places import Place
from outofsync_cluster.rows import table_of
from outofsync_cluster.store import parquet, read_rows

BANDED = ("face", "sound")
LENGTHS = 6.0  # a bucket of durations is as wide as so many of these steps
NEIGHBOURS = 32  # compared of those that share a band: more do where the picture is black or a logo
COMPARED = ("sha256", "perceptual_hash", "duration_s")  # of a video's row
TABLE_FILE = "near_duplicates.parquet"


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """A video that is like an earlier one; distances in bits of 64, missing where too little is seen."""

    uri: str
    near_duplicate_of: str
    copy: bool
    face: float | None
    mouth: float | None
    sound: float | None


def near_duplicates(
    uris: Sequence[str], fingerprints: Sequence[str], durations_s: Sequence[float]
) -> Iterator[NearDuplicate]:
    """Those that are like a video before them, with the first that they are a copy of, or else alike."""
    bits, seen = parsed(fingerprints)
    durations = np.asarray(durations_s, np.float64)
    first, second = candidates(bits, seen, durations)
    found = compared(bits, seen, first, second)
    kept, copies = found.alike, found.copies
    order = np.lexsort((first, ~copies, second))  # of each video copies come first, and the earliest
    done = -1
    for pair in order[kept[order]]:
        if second[pair] == done:
            continue
        done = second[pair]
        face, mouth, sound = (None if np.isnan(one) else round(float(one), 1) for one in found.mean[pair])
        yield NearDuplicate(uris[done], uris[first[pair]], bool(copies[pair]), face, mouth, sound)


def write_near_duplicates(folder: Place) -> int:
    """Write the table of a run's folder, with what earlier runs left there; how many there are in it."""
    columns = ["uri", *COMPARED[1:]]
    rows = [row for row in read_rows(folder, "videos", columns) if row["perceptual_hash"]]
    rows.sort(key=lambda row: str(row["uri"]))
    found = list(near_duplicates(*([row[name] for row in rows] for name in columns)))
    folder.child(TABLE_FILE).write(parquet(table_of(NearDuplicate, found)))
    return len(found)


def candidates(bits: Array, seen: Array, durations: Array) -> tuple[Array, Array]:
    """Pairs of places (first < second) that share a band and are about as long."""
    steps = np.log(np.maximum(durations, 1.0)) / np.log(LONGER) / LENGTHS
    pairs = np.zeros(0, np.int64)  # first * number + second, once each
    for lengths in (np.floor(steps), np.floor(steps + 0.5)):  # near a bucket's edge, the other one holds both
        for place in range(PLACES):
            for kind in map(KINDS.index, BANDED):
                there = np.flatnonzero(seen[:, place, kind])
                for shift in range(0, HASH_BITS, BAND_BITS):
                    part = bits[there, place, kind] >> np.uint64(shift) & np.uint64((1 << BAND_BITS) - 1)
                    keys = lengths[there].astype(np.int64) << BAND_BITS | part.astype(np.int64)
                    pairs = np.union1d(pairs, _sharing(there, keys) @ np.array([len(durations), 1]))
    found = np.stack(np.divmod(pairs, max(1, len(durations))), axis=1)
    shorter, longer = np.sort(durations[found], axis=1).T
    found = found[longer <= np.maximum(shorter * LONGER, shorter + LONGER_S)]
    return found[:, 0], found[:, 1]


def _sharing(there: Array, keys: Array) -> Array:
    """Pairs (n, 2) of those with the same key, of which neighbours in order are enough."""
    order = np.argsort(keys, kind="stable")
    places, keys = there[order], keys[order]
    pairs = []
    for lag in range(1, min(NEIGHBOURS, len(keys) - 1) + 1):
        same = np.flatnonzero(keys[lag:] == keys[:-lag])
        if not len(same):
            break  # with fewer members than that, there is none further apart
        pairs.append(np.stack([places[same], places[same + lag]], axis=1))
    return np.concatenate(pairs) if pairs else np.zeros((0, 2), np.int64)
