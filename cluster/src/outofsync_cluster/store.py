"""The folder of a run's output, written by one process, a part at a time.

A part is a file in each table's folder, of the same name; ``sources`` is written last and makes it count.
What a killed run left without it is removed when the folder is opened again. So rows are there once, however
often a video is tried.
"""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from outofsync_cluster.errors import ClusterError, reason_of
from outofsync_cluster.fence import Fence
from outofsync_cluster.identity import Identity, fingerprint
from outofsync_cluster.losses import FINAL_CODES
from outofsync_cluster.outcomes import error_row, segment_rows, source_row, video_row
from outofsync_cluster.places import Place
from outofsync_cluster.rows import TABLES, ErrorRow, Row, SegmentRow, SourceRow, VideoRow, table_of
from outofsync_cluster.stages import Outcome, digest_of, parsed

RUN_FILE, LINES, SOURCES = "run.json", "results", "sources"
FOLDERS = (LINES, *TABLES)


@dataclass
class Part:
    """Rows that are not yet written."""

    videos: list[VideoRow] = field(default_factory=list)
    segments: list[SegmentRow] = field(default_factory=list)
    errors: list[ErrorRow] = field(default_factory=list)
    sources: list[SourceRow] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.sources)


class Store:
    """What is known of a run's output, and the one that adds to it.

    Raises :class:`ClusterError` for a folder that belongs to other options or models, or cannot be used.
    """

    def __init__(
        self,
        folder: Place,
        identity: Identity,
        *,
        retry_failed: bool = False,
        fence: Fence | None = None,
    ) -> None:
        self.folder = folder
        self.identity = identity
        self._fence = fence or Fence()
        self._contents: set[bytes] = set()  # judged
        self._news: list[bytes] = []  # contents that are done and were not told of
        self._places: set[bytes] = set()  # where nothing needs to be read again
        self._failed: dict[bytes, ErrorRow] = {}  # contents
        self._waiting: dict[bytes, list[Outcome]] = {}  # for the same content, which is judged elsewhere
        self._part = Part()
        for name in FOLDERS:
            folder.child(name).make_folder()
        try:
            self._check_run()
            self._remove_unfinished()
            self._read(retry_failed)
        except OSError as error:
            raise ClusterError(f"{folder.uri} cannot be used: {reason_of(error)}") from None

    def __len__(self) -> int:
        """Rows that wait to be written."""
        return len(self._part)

    def news(self) -> list[bytes]:
        """What stands for each content that is judged, or failed for good, and was not told of before."""
        news, self._news = self._news, []
        return news

    @property
    def places(self) -> int:
        """How many places need not be read again."""
        return len(self._places)

    def knows(self, uri: str, size_bytes: int, modified: int) -> bool:
        """Whether a place needs not be read."""
        return fingerprint(uri, size_bytes, modified) in self._places

    def add(self, outcome: Outcome) -> list[Row]:
        """Take an outcome; the row of each video, error or duplicate that it brings.

        One that comes again brings none, and neither does one that has to wait for another.
        """
        if self.knows(outcome.uri, outcome.size_bytes, outcome.modified):
            return []
        content = outcome.same_as or outcome.sha256
        digest = digest_of(content) if content else None
        if digest in self._contents:
            key = self.identity.key(str(content))
            return [self._source(source_row(outcome, key, None, duplicate=True))]
        if digest in self._failed:
            return [self._fail(outcome, self._failed[digest], duplicate=True)]
        if outcome.answer is None:
            assert digest is not None
            self._waiting.setdefault(digest, []).append(outcome)
            return []
        values = parsed(outcome)
        if "error" in values:
            row: Row = self._fail(outcome, error_row(outcome, values["error"]))
        else:
            row = self._judged(outcome, values)
        followers = self._waiting.pop(digest, []) if digest else []
        return [row, *(made for follower in followers for made in self.add(follower))]

    def forget_waiting(self) -> None:
        """Those that wait for a content whose turn came to nothing are to be read again."""
        self._waiting.clear()

    def write(self) -> None:
        """Write what waits as one part. Raises :class:`ClusterError`, for a full disk for example."""
        self._fence.check()
        if not self._part:
            return
        part, name = self._part, f"part-{uuid.uuid4().hex}"
        try:
            if part.lines:
                self.folder.child(f"{LINES}/{name}.jsonl").write("".join(part.lines).encode())
            for table, kind in TABLES.items():
                rows = getattr(part, table)
                if rows:
                    self.folder.child(f"{table}/{name}.parquet").write(parquet(table_of(kind, rows)))
        except OSError as error:
            raise ClusterError(
                f"{self.folder.uri} cannot be written: {reason_of(error)}; what was written "
                "before stays, and the same command goes on from there"
            ) from None
        self._part = Part()

    def rows(self, table: str, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
        """What is written in a table."""
        return read_rows(self.folder, table, columns)

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """A file of the folder itself."""
        self.folder.child(name).write(json.dumps(value, indent=2).encode() + b"\n")

    def _judged(self, outcome: Outcome, result: dict[str, Any]) -> VideoRow:
        if result["models"] != self.identity.models:
            raise ClusterError(
                "the server began to answer with other models during the run; results of both would mix. "
                "Choose another --output-dir, or let the former version serve and run the same command again"
            )
        row = video_row(outcome, result, self.identity)
        self._part.videos.append(row)
        self._part.segments += segment_rows(row, result)
        self._part.lines.append(json.dumps({"uri": row.uri, "sha256": row.sha256, **result}) + "\n")
        self._learn(row.sha256)
        self._source(source_row(outcome, row.key, None))
        return row

    def _fail(self, outcome: Outcome, row: ErrorRow, *, duplicate: bool = False) -> ErrorRow:
        own = error_row(outcome, vars_of(row))
        self._part.errors.append(own)
        if outcome.sha256:
            self._learn(outcome.sha256, own)
        self._source(source_row(outcome, None, own.code, duplicate=duplicate))
        return own

    def _learn(self, sha256: str, error: ErrorRow | None = None) -> None:
        """A content is done."""
        digest = digest_of(sha256)
        if digest not in self._contents and digest not in self._failed:
            self._news.append(digest)
        if error is None:
            self._contents.add(digest)
        else:
            self._failed[digest] = error

    def _source(self, row: SourceRow) -> SourceRow:
        self._places.add(fingerprint(row.uri, row.size_bytes, row.modified))
        self._part.sources.append(row)
        return row

    def _check_run(self) -> None:
        wanted = {"options": dict(self.identity.options), "models": dict(self.identity.models)}
        place = self.folder.child(RUN_FILE)
        try:
            found = json.loads(place.read())
        except FileNotFoundError:
            place.write(json.dumps(wanted, indent=2).encode() + b"\n")
            return
        except ValueError:
            raise ClusterError(f"{place.uri} is damaged; choose another --output-dir") from None
        for name in ("options", "models"):
            if found.get(name) != wanted[name]:
                raise ClusterError(
                    f"{self.folder.uri} holds results of other {name} "
                    f"({json.dumps(found.get(name))}); choose another --output-dir"
                )

    def _remove_unfinished(self) -> None:
        """What was written of parts that never came to count."""
        finished = {Path(info.path).stem for info in self.folder.child(SOURCES).entries()}
        for name in FOLDERS:
            folder = self.folder.child(name)
            for info in folder.entries():
                stem = Path(info.path).stem
                if stem not in finished or not stem.startswith("part-"):
                    folder.at(info.path).remove()

    def _read(self, retry_failed: bool) -> None:
        """Learn what is done; errors that another try may mend are taken out, to be tried again."""
        for info in self.folder.child(SOURCES).entries():
            rows = [SourceRow(**values) for values in self._table(info).to_pylist()]
            again = {row.uri for row in rows if row.code and (retry_failed or row.code not in FINAL_CODES)}
            if again:
                self._drop(Path(info.path).name, again)
            for row in rows:
                if row.uri in again:
                    continue
                self._places.add(fingerprint(row.uri, row.size_bytes, row.modified))
                if row.sha256 and row.key == self.identity.key(row.sha256):  # else it is a copy
                    self._learn(row.sha256)
        for values in self.rows("errors"):
            error = ErrorRow(**values)
            if error.sha256:
                self._learn(error.sha256, error)

    def _drop(self, name: str, uris: set[str]) -> None:
        """Rewrite a part without some errors, the sources last: a kill between leaves them to be tried."""
        for table, left in (
            ("errors", lambda row: row["uri"] not in uris),
            (SOURCES, lambda row: row["uri"] not in uris or row["code"] is None),
        ):
            self._rewrite(self.folder.child(f"{table}/{name}"), TABLES[table], left)

    def _rewrite(self, place: Place, kind: type[Row], left: Callable[[dict[str, Any]], bool]) -> None:
        rows = [kind(**row) for row in pq.read_table(io.BytesIO(place.read())).to_pylist() if left(row)]
        place.write(parquet(table_of(kind, rows)))

    def _table(self, info: Any) -> pa.Table:
        return pq.read_table(io.BytesIO(self.folder.at(info.path).read()))


def read_rows(folder: Place, table: str, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """What is written in a table of a run's folder."""
    for info in folder.child(table).entries():
        data = folder.at(info.path).read()
        yield from pq.read_table(io.BytesIO(data), columns=columns).to_pylist()


def parquet(table: pa.Table) -> bytes:
    """A table as a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def vars_of(row: ErrorRow) -> dict[str, str]:
    """The words of an error."""
    return {name: getattr(row, name) for name in ("code", "stage", "message", "hint")}
