"""What was judged, written down as it is done.

::

    results.jsonl   a line per video: sha256, path, options, at, result
    errors.jsonl    the same with error in place of result
    results.csv     sha256, path, verdict, probability_fake, score, offset_frames, reasons

Each line is on the disk before the next video's is begun. A line that a crash cut short is dropped when the
ledger is opened again, and the table is then made anew of the lines, so that it never stays short of a row.
What is done is known by the file's content and the options, not by its name.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

from outofsync_client._exceptions import OutOfSyncError
from outofsync_client._many import Outcome
from outofsync_client.reports.wording import as_cell

RESULTS = "results.jsonl"
ERRORS = "errors.jsonl"
TABLE = "results.csv"
COLUMNS = ("sha256", "path", "verdict", "probability_fake", "score", "offset_frames", "reasons")


class Ledger:
    """The ledger of one folder, for one set of options. A context manager.

    Raises FileExistsError where the folder holds a ledger already and ``resume`` is not asked for, OSError
    where it cannot be written.
    """

    def __init__(self, folder: Path, options: Mapping[str, Any], *, resume: bool) -> None:
        self.folder = folder
        self.options = {name: value for name, value in sorted(options.items()) if value is not None}
        folder.mkdir(parents=True, exist_ok=True)
        if not resume and (folder / RESULTS).exists():
            raise FileExistsError(f"{folder / RESULTS} is there already; resume it, or choose another folder")
        self._done: set[str] = set()
        self._failed: set[str] = set()
        self._names: set[tuple[str, str]] = set()  # contents and the names they are written down under
        with _replacing(folder / TABLE) as table:
            table.write(_row(COLUMNS))
            for entry in whole_lines(folder / RESULTS):
                table.write(_row(_cells(entry)))
                self._note(entry, self._done)
        for entry in whole_lines(folder / ERRORS):
            self._note(entry, self._failed)
        self._results, self._errors, self._table = (
            open_text(folder / name, "a") for name in (RESULTS, ERRORS, TABLE)
        )

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *exception: object) -> None:
        for stream in (self._results, self._errors, self._table):
            stream.close()

    def is_done(self, digest: str) -> bool:
        """Whether this content has a result for these options."""
        return digest in self._done

    def has_failed(self, digest: str) -> bool:
        """Whether the last try at this content was an error."""
        return digest in self._failed and digest not in self._done

    def names(self, digest: str, path: Path) -> bool:
        """Whether this content is written down under this name."""
        return (digest, str(path)) in self._names

    def add_names(self, others: Mapping[str, Iterable[Path]]) -> None:
        """Write contents that have a line down once more, under other names that they have."""
        for name, stream in ((RESULTS, self._results), (ERRORS, self._errors)):
            again = [
                {**entry, "path": str(path)}
                for entry in self._entries(name)
                for path in others.get(entry["sha256"], ())
                if not self.names(entry["sha256"], path)
            ]
            for entry in again:
                append_line(stream, json.dumps(entry) + "\n")
                self._note(entry, self._done if name == RESULTS else self._failed)
                if name == RESULTS:
                    self._table.write(_row(_cells(entry)))
            self._table.flush()

    def add(self, digest: str, path: Path, outcome: Outcome) -> None:
        """Write one video's outcome down for good."""
        entry: dict[str, Any] = {
            "sha256": digest,
            "path": str(path),
            "options": self.options,
            "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
        if isinstance(outcome, OutOfSyncError):
            entry["error"] = outcome.to_dict()
            self._note(entry, self._failed)
            append_line(self._errors, json.dumps(entry) + "\n")
            return
        entry["result"] = outcome.to_dict()
        self._note(entry, self._done)
        append_line(self._results, json.dumps(entry) + "\n")
        self._table.write(_row(_cells(entry)))
        self._table.flush()

    def results(self) -> Iterator[dict[str, Any]]:
        """The lines of ``results.jsonl`` with these options, the oldest first."""
        return self._entries(RESULTS)

    def errors(self) -> Iterator[dict[str, Any]]:
        """The lines of ``errors.jsonl`` with these options, the oldest first."""
        return self._entries(ERRORS)

    def _note(self, entry: Mapping[str, Any], contents: set[str]) -> None:
        if entry["options"] == self.options:
            contents.add(entry["sha256"])
            self._names.add((entry["sha256"], entry["path"]))

    def _entries(self, name: str) -> Iterator[dict[str, Any]]:
        with (self.folder / name).open(encoding="utf-8") as lines:
            for line in lines:
                entry = json.loads(line)
                if entry["options"] == self.options:
                    yield entry


def whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    """What the lines of a file say; a last one that was not written to its end is cut off."""
    if not path.exists():
        return
    with path.open("rb+") as stream:
        whole = 0
        for line in stream:
            if line.endswith(b"\n"):
                whole += len(line)
                yield json.loads(line)
        stream.truncate(whole)


def _cells(entry: Mapping[str, Any]) -> list[Any]:
    """The table's row of a line."""
    result = entry["result"]
    numbers = (result.get(name) for name in ("probability_fake", "score", "offset_frames"))
    reasons = " ".join(reason["code"] for reason in result.get("reasons") or ())
    return [entry["sha256"], as_cell(entry["path"]), result["verdict"], *numbers, reasons]


def _row(values: Iterable[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(["" if value is None else value for value in values])
    return line.getvalue()


@contextmanager
def _replacing(path: Path) -> Iterator[IO[str]]:
    """A file that takes the other's place once it is whole."""
    new = path.with_name(f"{path.name}.new")
    with open_text(new, "w") as stream:
        yield stream
    new.replace(path)


def open_text(path: Path, mode: str) -> IO[str]:
    """A file for lines, whatever letters its names hold."""
    return path.open(mode, newline="", encoding="utf-8", errors="backslashreplace")


def append_line(stream: IO[str], line: str) -> None:
    """Write a line that is on the disk once this returns."""
    stream.write(line)
    stream.flush()
    os.fsync(stream.fileno())
