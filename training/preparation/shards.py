"""Shards: files that hold many clips one after another; the manifest says where each one lies.

Nothing in a shard is ever changed. What a crash left behind the last clip that the manifest names stays there
unused, which is less than one clip.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from training.preparation.ledger import Entry

SHARD_BYTES = 256 * 1024 * 1024


class ShardWriter:
    """Appends clips to the last shard of a folder, and begins another when that one is full."""

    def __init__(self, folder: Path, *, max_bytes: int = SHARD_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._number = max((_number(path) for path in folder.glob("shard-*.clips")), default=0)

    def append(self, payload: bytes) -> dict[str, Any]:
        """Write one clip; returns what its manifest line says about where it lies."""
        path = self._path()
        if path.exists() and path.stat().st_size >= self._max_bytes:
            self._number += 1
            path = self._path()
        with path.open("ab") as file:
            offset = file.seek(0, 2)
            file.write(payload)
        return {"clip": path.name, "offset": offset, "bytes": len(payload)}

    def _path(self) -> Path:
        return self._folder / f"shard-{self._number:05d}.clips"


def _number(path: Path) -> int:
    return int(path.stem.removeprefix("shard-"))


def read_payload(path: Path, facts: Entry) -> bytes:
    """The bytes of one clip in ``path``; all of it where the manifest tells no place (older folders)."""
    if "offset" not in facts:
        return path.read_bytes()
    with path.open("rb") as file:
        file.seek(facts["offset"])
        return file.read(facts["bytes"])


def place(entry: Entry) -> str:
    """Which clip an entry names, in one word: different for every clip of a folder."""
    return f"{entry['clip']}:{entry.get('offset', 0)}"


def stored(entries: Iterable[Entry], folder: Path) -> list[Entry]:
    """Those entries whose clip is really there: a power cut may have kept the line and lost the clip."""
    sizes = {path.name: path.stat().st_size for path in folder.glob("*.clip*") if path.is_file()}
    return [
        entry
        for entry in entries
        if sizes.get(entry["clip"], -1) >= entry.get("offset", 0) + entry.get("bytes", 0)
    ]
