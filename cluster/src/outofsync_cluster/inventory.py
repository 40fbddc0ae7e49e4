"""What there is to score: the videos of a folder, a manifest, a table or a bucket, listed once.

The list lies in a file, so that no memory grows with it, and a run walks through it a stretch at a time.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from outofsync_client.batch.files import SUFFIXES
from outofsync_cluster.errors import ClusterError, reason_of
from outofsync_cluster.places import SEPARATOR, Place, Storage
from outofsync_cluster.rows import schema_of, table_of

MANIFESTS = (".txt", ".csv", ".jsonl", ".parquet")
COLUMNS = ("uri", "path", "url", "file")  # of a manifest, the first that it has
ASKED_AT_ONCE = 1000  # file infos
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Item:
    """A video that was listed; ``problem`` says why it cannot be read, where that is known already."""

    uri: str
    size_bytes: int
    modified: int
    problem: str | None = None


@dataclass(frozen=True)
class Inventory:
    """A list that lies in a file."""

    path: Path
    count: int
    size_bytes: int
    problems: int

    def __iter__(self) -> Iterator[Item]:
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches():
                yield from (Item(**values) for values in batch.to_pylist())


def list_videos(source: str, storage: Storage, into: Path) -> Inventory:
    """Write the list to a file. Raises :class:`ClusterError` for a source that is missing or empty."""
    count = size_bytes = problems = 0
    with pq.ParquetWriter(into, schema_of(Item)) as file:
        for group in grouped(items_of(source, storage), ASKED_AT_ONCE):
            file.write_table(table_of(Item, group))
            count += len(group)
            size_bytes += sum(item.size_bytes for item in group)
            problems += sum(item.problem is not None for item in group)
    if not count:
        raise ClusterError(f"{source} holds no video; files are known by {', '.join(sorted(SUFFIXES))}")
    return Inventory(into, count, size_bytes, problems)


def items_of(source: str, storage: Storage) -> Iterator[Item]:
    """The videos that a folder, a manifest, a video's own name or a URL means.

    Raises :class:`ClusterError` for a source that is not there or cannot be read.
    """
    place = storage.place(source)
    try:
        info = place.info()
        if info.type == fs.FileType.NotFound:
            raise ClusterError(f"{place.uri}: there is nothing of that name")
        if info.type == fs.FileType.Directory:
            return _below(place)
        suffix = Path(place.path).suffix.lower()
        if suffix in MANIFESTS:
            return _stated(_lines(place, suffix), place, storage)
    except OSError as error:
        raise ClusterError(f"{place.uri} cannot be read: {reason_of(error)}") from None
    return iter([_item(place, info)])


def grouped(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of at most so many, one after another."""
    rest = iter(items)
    while group := list(islice(rest, size)):
        yield group


def _below(folder: Place) -> Iterator[Item]:
    """Videos of a folder and those in it, in the order of their names."""
    try:
        entries = folder.entries()
    except OSError as error:
        yield Item(folder.uri, 0, 0, f"the folder cannot be read: {reason_of(error)}")
        return
    for info in entries:
        place = folder.at(info.path)
        if info.type == fs.FileType.Directory:
            yield from _below(place)
        elif Path(info.path).suffix.lower() in SUFFIXES:
            yield _item(place, info)


def _item(place: Place, info: Any) -> Item:
    if info.type == fs.FileType.NotFound:
        return Item(place.uri, 0, 0, "there is nothing of that name")
    return Item(place.uri, info.size or 0, info.mtime_ns or 0)


@dataclass(frozen=True, slots=True)
class _Line:
    """A row of a manifest: the video's name, or why there is none."""

    where: str
    name: str = ""
    problem: str = ""


def _stated(lines: Iterator[_Line], manifest: Place, storage: Storage) -> Iterator[Item]:
    """What a manifest names, looked up many at a time."""
    for group in grouped(lines, ASKED_AT_ONCE):
        named: list[tuple[_Line, Place | None]] = [(line, _named(line, manifest, storage)) for line in group]
        infos = _infos([place for _, place in named if place is not None])
        for line, place in named:
            if place is None:
                yield Item(line.where, 0, 0, line.problem or f"{line.name} is no place that can be read")
            else:
                found = infos[place.uri]
                problem = reason_of(found) if isinstance(found, OSError) else None
                yield Item(place.uri, 0, 0, problem) if problem else _item(place, found)


def _named(line: _Line, manifest: Place, storage: Storage) -> Place | None:
    """Where a line's video lies; names that are no URLs are meant beside the manifest."""
    if line.problem:
        return None
    if SEPARATOR in line.name or line.name.startswith("/"):
        try:
            return storage.place(line.name)
        except ClusterError:
            return None
    if manifest.is_local:
        return storage.place(str(Path(manifest.path).parent / line.name))
    return storage.place(f"{manifest.uri.rsplit('/', 1)[0]}/{line.name}")


def _infos(places: list[Place]) -> dict[str, Any]:
    """File infos, or why there are none, by name; each storage is asked once."""
    found: dict[str, Any] = {}
    by_storage: dict[int, list[Place]] = {}
    for place in places:
        by_storage.setdefault(id(place.files), []).append(place)
    for group in by_storage.values():
        try:
            infos = group[0].files.get_file_info([place.path for place in group])
            found |= {place.uri: info for place, info in zip(group, infos, strict=True)}
        except OSError:
            found |= {place.uri: _info_or_error(place) for place in group}
    return found


def _info_or_error(place: Place) -> Any:
    try:
        return place.info()
    except OSError as error:
        return error


def _lines(manifest: Place, suffix: str) -> Iterator[_Line]:
    """The rows of a manifest."""
    if suffix == ".parquet":
        return _of_table(manifest)
    text = io.TextIOWrapper(manifest.files.open_input_stream(manifest.path), "utf-8", errors="replace")
    return {".txt": _of_text, ".csv": _of_csv, ".jsonl": _of_json}[suffix](text, manifest.uri)


def _of_text(text: io.TextIOWrapper, name: str) -> Iterator[_Line]:
    for number, line in enumerate(text, 1):
        word = line.rstrip("\r\n")
        if word.strip() and not word.startswith("#"):
            yield _line(f"{name}:{number}", word)


def _of_csv(text: io.TextIOWrapper, name: str) -> Iterator[_Line]:
    reader = csv.DictReader(text)
    try:
        column = _column(reader.fieldnames or (), name)
    except csv.Error as error:
        raise ClusterError(f"{name} is no table: {error}") from None
    while True:
        try:
            value = next(reader).get(column)
        except StopIteration:
            return
        except csv.Error as error:
            yield _Line(f"{name}:{reader.line_num}", problem=f"the row cannot be read: {error}")
        else:
            yield _line(f"{name}:{reader.line_num}", value)


def _of_json(text: io.TextIOWrapper, name: str) -> Iterator[_Line]:
    for number, line in enumerate(text, 1):
        where = f"{name}:{number}"
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError:
            yield _Line(where, problem="the line is not JSON")
            continue
        if isinstance(value, dict):
            value = next((value[column] for column in COLUMNS if column in value), None)
        yield _line(where, value)


def _of_table(manifest: Place) -> Iterator[_Line]:
    try:
        file = pq.ParquetFile(manifest.files.open_input_file(manifest.path))
    except pa.ArrowInvalid as error:
        raise ClusterError(f"{manifest.uri} is no Parquet table: {error}") from None
    column = _column(file.schema_arrow.names, manifest.uri)
    numbers = iter(range(1, file.metadata.num_rows + 1))
    for batch in file.iter_batches(columns=[column]):
        for value in batch.column(0).to_pylist():
            yield _line(f"{manifest.uri}:{next(numbers)}", value)


def _line(where: str, value: object) -> _Line:
    if isinstance(value, str) and value.strip() and "\0" not in value:
        return _Line(where, value)
    return _Line(where, problem="the row names no video")


def _column(names: Iterable[str], manifest: str) -> str:
    found = next((column for column in COLUMNS if column in set(names)), None)
    if found is None:
        raise ClusterError(f"{manifest} has no column that names videos; call it one of {', '.join(COLUMNS)}")
    return found
