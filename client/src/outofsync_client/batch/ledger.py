"""What was judged, written down as it is done.

::

    results.jsonl   a line per video: sha256, path, options, at, result
    errors.jsonl    the same with error in place of result
    results.csv     sha256, path, verdict, probability_fake, score, offset_frames, reasons

Each line is on the disk before the next video's is begun. A line that a crash cut short is dropped when the
ledger is opened again. What is done is known by the file's content and the options, not by its name.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

from outofsync_client._exceptions import OutOfSyncError
from outofsync_client._many import Outcome

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
        self._done = self._known(RESULTS)
        self._failed = self._known(ERRORS)
        self._results = _appending(folder / RESULTS)
        self._errors = _appending(folder / ERRORS)
        self._table = _appending(folder / TABLE)
        if self._table.tell() == 0:
            _append(self._table, _row(COLUMNS))

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

    def add(self, digest: str, path: Path, outcome: Outcome) -> None:
        """Write one video's outcome down for good."""
        entry: dict[str, Any] = {
            "sha256": digest,
            "path": str(path),
            "options": self.options,
            "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
        if isinstance(outcome, OutOfSyncError):
            self._failed.add(digest)
            _append(self._errors, json.dumps({**entry, "error": outcome.to_dict()}) + "\n")
            return
        self._done.add(digest)
        reasons = " ".join(reason.code for reason in outcome.reasons)
        numbers = (outcome.probability_fake, outcome.score, outcome.offset_frames)
        _append(self._results, json.dumps({**entry, "result": outcome.to_dict()}) + "\n")
        _append(self._table, _row((digest, path, outcome.verdict, *numbers, reasons)))

    def results(self) -> Iterator[dict[str, Any]]:
        """The lines of ``results.jsonl`` with these options, the oldest first."""
        return self._entries(RESULTS)

    def errors(self) -> Iterator[dict[str, Any]]:
        """The lines of ``errors.jsonl`` with these options, the oldest first."""
        return self._entries(ERRORS)

    def _known(self, name: str) -> set[str]:
        """Contents that a file of the ledger names, with these options."""
        path = self.folder / name
        if not path.exists():
            return set()
        _drop_broken_end(path)
        return {entry["sha256"] for entry in self._entries(name)}

    def _entries(self, name: str) -> Iterator[dict[str, Any]]:
        with (self.folder / name).open(encoding="utf-8") as lines:
            for line in lines:
                entry = json.loads(line)
                if entry["options"] == self.options:
                    yield entry


def _drop_broken_end(path: Path) -> None:
    """Cut off a last line that was not written to its end."""
    with path.open("rb+") as stream:
        whole = stream.read().rfind(b"\n") + 1
        stream.truncate(whole)


def _appending(path: Path) -> IO[str]:
    if path.exists():
        _drop_broken_end(path)
    return path.open("a", newline="", encoding="utf-8", errors="backslashreplace")


def _append(stream: IO[str], line: str) -> None:
    stream.write(line)
    stream.flush()
    os.fsync(stream.fileno())


def _row(values: Any) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(["" if value is None else value for value in values])
    return line.getvalue()
