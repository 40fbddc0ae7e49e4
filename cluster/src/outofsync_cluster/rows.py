"""What a run writes down, a table each: videos, segments, errors, and where every video was found."""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import pyarrow as pa


class Row(Protocol):
    """A dataclass whose fields are the columns of a table."""

    __dataclass_fields__: typing.ClassVar[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class VideoRow:
    """A content that was judged; ``key`` is of the content, the options and the pipeline's version.

    ``uri`` is where that content was read. ``cpu_s``, ``gpu_s`` and ``wall_s`` are the video's share of the
    batch it travelled in.
    """

    key: str
    sha256: str
    uri: str
    size_bytes: int
    verdict: str
    label: str | None
    probability_fake: float | None
    score: float | None
    delay_score: float | None
    feature_score: float | None
    offset_frames: int | None
    offset_confidence: float | None
    reasons: list[str]
    duration_s: float
    scored_s: float  # of the video that lies in scored segments, each second once
    width: int
    height: int
    fps: float
    models: str  # versions and digests, as canonical JSON
    cpu_s: float
    gpu_s: float
    wall_s: float
    bytes_read: int
    peak_bytes: int  # the most memory that the process which scored it has held so far
    attempts: int
    node: str
    perceptual_hash: str | None  # as ``fingerprints`` makes it; servers tell of none


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """A scored stretch of one face; ``start`` and ``end`` in seconds, ``peak_delay`` in frames."""

    key: str
    uri: str
    index: int
    start: float
    end: float
    track: int | None
    score: float | None
    probability_fake: float | None
    peak_delay: int | None


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """A video without a result: the service's code, where it arose, and what a person may do."""

    uri: str
    sha256: str | None
    code: str
    stage: str
    message: str
    hint: str
    attempts: int


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A place at which a video was found, and what it came to: a result's key or an error's code.

    ``modified`` is the time of the last change in nanoseconds, as the file system says it. A place whose size
    and time are known is not read again. ``duplicate`` says that the same content was met elsewhere before.
    """

    uri: str
    size_bytes: int
    modified: int
    sha256: str | None
    key: str | None
    code: str | None
    duplicate: bool


TABLES: dict[str, type[Row]] = {
    "segments": SegmentRow,
    "errors": ErrorRow,
    "videos": VideoRow,
    "sources": SourceRow,  # the last to be written: what has no part here was never finished
}

_TYPES: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    bytes: pa.large_binary(),  # a column of clips may have more than 2 GB
    list[str]: pa.list_(pa.string()),
}


def schema_of(row: type[Row]) -> pa.Schema:
    """The columns of a table."""
    kinds = typing.get_type_hints(row)
    return pa.schema([_column(field.name, kinds[field.name]) for field in fields(row)])


def table_of(row: type[Row], rows: Sequence[Row]) -> pa.Table:
    """Rows of one kind as an Arrow table, which is well-formed without any row, too."""
    names = [field.name for field in fields(row)]
    columns = {name: [getattr(one, name) for one in rows] for name in names}
    return pa.table(columns, schema=schema_of(row))


def _column(name: str, kind: Any) -> pa.Field:
    nullable = isinstance(kind, types.UnionType)
    plain = next(one for one in typing.get_args(kind) if one is not type(None)) if nullable else kind
    return pa.field(name, _TYPES[plain], nullable=nullable)
