"""Where videos are named: a folder, a CSV, or a plain list of paths."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

VIDEO_SUFFIXES = {".mp4", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m4v"}
AUTO = "auto"
SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}  # of identities, where a list leaves it to us


class SourceError(ValueError):
    """A list that does not name videos; the message says what is wrong with it."""


@dataclass(frozen=True)
class Source:
    """One video and what is known about it. ``file`` is its name in the ledgers, ``path`` where it lies."""

    path: Path
    file: str
    split: str
    label: str = "real"
    generator: str = ""
    identity: str = ""
    source: str = ""


@dataclass(frozen=True)
class Defaults:
    """What holds for videos about which a list says nothing. ``auto`` splits by identity."""

    split: str = "train"
    label: str = "real"
    generator: str = ""

    def split_for(self, identity: str) -> str:
        return split_of(identity) if self.split == AUTO else self.split


def split_of(identity: str) -> str:
    """``train``, ``val`` or ``test`` for everything that shows one identity.

    The hash of the name decides, so adding videos moves none that are there. With a handful of identities
    the shares can be far from 80, 10 and 10 %.
    """
    digest = hashlib.sha256(identity.encode()).digest()
    position, edge = int.from_bytes(digest[:8]) / 2**64, 0.0
    for split, share in SHARES.items():
        edge += share
        if position < edge:
            return split
    return "test"


def listed(
    table: Path, defaults: Defaults | None = None, *, identity_column: str | None = None
) -> Iterator[Source]:
    """Videos named in a CSV (columns file, split, label, generator, identity, source; all but file optional).

    Any other file is a plain list: one path a line, ``#`` begins a comment. Paths are relative to the list.
    Where no column tells the identity, the name of a video's folder does. Raises :class:`SourceError`.
    """
    defaults = defaults or Defaults()
    if not table.is_file():
        raise SourceError(f"{table} is no file")
    if table.suffix.lower() == ".csv":
        return _in_table(table, defaults, identity_column)
    if identity_column:
        raise SourceError("only a CSV has columns to take the identity from")
    return _in_list(table, defaults)


def _in_table(table: Path, defaults: Defaults, identity_column: str | None) -> Iterator[Source]:
    column = identity_column or "identity"
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        for name in ["file", *([identity_column] if identity_column else [])]:
            if name not in (rows.fieldnames or []):
                raise SourceError(f"{table.name} has no column {name!r}")
        for row in rows:
            path = table.parent / row["file"]
            identity = row.get(column, path.parent.name)
            yield Source(
                path,
                _name(path),
                row.get("split") or defaults.split_for(identity or _name(path)),
                row.get("label") or defaults.label,
                row.get("generator") or defaults.generator,
                identity,
                row.get("source") or table.stem,
            )


def _in_list(table: Path, defaults: Defaults) -> Iterator[Source]:
    for line in table.read_text().splitlines():
        name = line.partition("#")[0].strip()
        if name:
            path = table.parent / name
            identity = path.resolve().parent.name
            yield Source(
                path,
                _name(path),
                defaults.split_for(identity),
                defaults.label,
                defaults.generator,
                identity,
                table.stem,
            )


def in_folder(folder: Path, defaults: Defaults | None = None) -> Iterator[Source]:
    """Every video below a folder; its own folder names the identity.

    With ``auto``, folders named train, val and test right below it are taken at their word. Raises
    :class:`SourceError`.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder} is no folder")
    return _below(folder.resolve(), defaults or Defaults())


def _below(folder: Path, defaults: Defaults) -> Iterator[Source]:
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in VIDEO_SUFFIXES or not path.is_file():
            continue
        top, identity = path.relative_to(folder).parts[0], path.parent.name
        split = top if defaults.split == AUTO and top in SHARES else defaults.split_for(identity)
        yield Source(path, _name(path), split, defaults.label, defaults.generator, identity, folder.name)


def _name(path: Path) -> str:
    return f"{path.resolve().parent.name}/{path.name}"
