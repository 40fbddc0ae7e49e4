"""Videos as files: which of them a command line means, and what each is known by, whatever it is called."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".3gp"}
)


BLOCK_BYTES = 1 << 20


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal; of a video it is also the ``id`` of its result."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def find_videos(names: Iterable[str]) -> Iterator[Path]:
    """Files as they are named, the videos below folders, and what patterns match; each once, in order.

    Raises FileNotFoundError for a name that is nothing of these.
    """
    seen: set[Path] = set()
    for name in names:
        for path in _meant_by(name):
            if path not in seen:
                seen.add(path)
                yield path


def named_videos(names: Iterable[str]) -> Iterator[Path]:
    """As :func:`find_videos`, but a name that is nothing stays: it is an error of its own, later on."""
    for name in names:
        try:
            yield from find_videos([name])
        except FileNotFoundError:
            yield Path(name)


def read_list(stream: TextIO) -> list[str]:
    """A name a line; empty lines and those that begin with # are left out."""
    lines = (line.rstrip("\r\n") for line in stream)
    return [line for line in lines if line.strip() and not line.startswith("#")]


def _meant_by(name: str) -> Iterable[Path]:
    path = Path(name)
    if path.is_dir():
        return sorted(
            child for child in path.rglob("*") if child.suffix.lower() in SUFFIXES and child.is_file()
        )
    if path.exists():
        return [path]
    matches = sorted(glob.glob(name, recursive=True))  # noqa: PTH207 - a pattern may be absolute
    if not matches:
        raise FileNotFoundError(f"{name} is no file, no folder and matches nothing")
    return [Path(match) for match in matches if Path(match).is_file()]
