"""Videos as files: which of them a command line means, and what each is known by, whatever it is called."""

from __future__ import annotations

import glob
import hashlib
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

logger = logging.getLogger(__name__)

SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".3gp"}
)


BLOCK_BYTES = 1 << 20
NOTES = "._"  # how the names begin of what a Mac leaves beside a file, with the file's own suffix
BYTE_ORDER_MARK = "\ufeff"


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
    lines = (line.rstrip("\r\n").removeprefix(BYTE_ORDER_MARK) for line in stream)
    return [line for line in lines if line.strip() and not line.startswith("#")]


def _meant_by(name: str) -> Iterable[Path]:
    path = Path(name)
    try:
        if path.is_dir():
            return _inside(path)
        if path.exists():
            return [path]
    except OSError as error:  # longer than names may be, or a folder that may not be looked into
        raise FileNotFoundError(f"{name}: {error.strerror}") from None
    matches = sorted(glob.glob(name, recursive=True))  # noqa: PTH207 - a pattern may be absolute
    if not matches:
        raise FileNotFoundError(f"{name} is no file, no folder and matches nothing")
    return [Path(match) for match in matches if Path(match).is_file()]


def _inside(folder: Path) -> list[Path]:
    """The videos below a folder; warns of files that only look like some."""
    found = sorted(
        child for child in folder.rglob("*") if child.suffix.lower() in SUFFIXES and child.is_file()
    )
    videos = [path for path in found if not path.name.startswith(NOTES)]
    if left_out := len(found) - len(videos):
        files = "1 file" if left_out == 1 else f"{left_out} files"
        logger.warning("%s: left out %s named %s…: a Mac's notes, no videos", folder, files, NOTES)
    return videos
