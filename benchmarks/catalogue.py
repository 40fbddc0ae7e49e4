"""A catalogue to measure with: short clips of one head, no two files alike.

A few clips are encoded; each file is one of them with a box of its own at the end (``free``, which players
pass over), so that ten thousand are made in seconds. Every file has a hash of its own and is decoded and
judged in full, as nothing in the engine remembers a picture.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path

from benchmarks.footage import footage

SECONDS = 0.6  # just above the shortest that is judged: what a cluster adds to each video shows most
SIDE = 224
KINDS = 5  # clips that are encoded, each a frame longer than the one before
FRAME_S = 0.04
FOLDER_FILES = 1000


def catalogue(folder: Path, clips: int) -> dict[str, str]:
    """Write so many clips below a folder; their paths by SHA-256. Those that lie there stay."""
    found = {}
    for number, data in enumerate(clips_of(clips)):
        path = folder / f"{number // FOLDER_FILES:03}" / f"{number:06}.mp4"
        if not path.is_file() or path.stat().st_size != len(data):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        found[hashlib.sha256(data).hexdigest()] = str(path)
    return found


def clips_of(number: int) -> Iterator[bytes]:
    """So many files; each begins as one of a few."""
    kinds = [footage(SECONDS + FRAME_S * kind, SIDE, SIDE) for kind in range(KINDS)]
    for place in range(number):
        yield kinds[place % KINDS] + struct.pack(">I4sQ", 16, b"free", place)
