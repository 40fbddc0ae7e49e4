"""Which job a video was handed in as, written down before anybody waits for it.

``jobs.jsonl`` beside the ledger begins with a nonce, by which this folder's jobs differ from those of others.
Each further line holds sha256, options, the number of the job among those of one content, and ``upload``
(where a large file's upload lies), ``job`` (its id) or ``ended``. Whoever begins again after a crash goes on
with what the last lines say.
"""

from __future__ import annotations

import hashlib
import json
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Optional

from outofsync_client.batch.ledger import append_line, open_text, whole_lines

JOURNAL = "jobs.jsonl"
KEY_LETTERS = 48  # of what names a job to the server at every attempt to hand it in


@dataclass(frozen=True)
class HandedIn:
    """How far the last job of a content is; ``number`` tells it from those before."""

    number: int = 0
    upload: Optional[str] = None
    job: Optional[str] = None
    ended: bool = False


class JobJournal:
    """The journal of one folder, for one set of options; threads may share it. A context manager.

    Raises OSError where it cannot be written.
    """

    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        self._options = dict(options)
        self._handed: dict[str, HandedIn] = {}
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self._nonce = ""
        for entry in whole_lines(folder / JOURNAL):
            if "nonce" in entry:
                self._nonce = entry["nonce"]
            elif entry["options"] == self._options:
                self._take(entry)
        self._lines = open_text(folder / JOURNAL, "a")
        if not self._nonce:
            self._nonce = uuid.uuid4().hex
            append_line(self._lines, json.dumps({"nonce": self._nonce}) + "\n")

    def __enter__(self) -> JobJournal:
        return self

    def __exit__(self, *exception: object) -> None:
        self._lines.close()

    def last(self, digest: str) -> HandedIn:
        """The last job of a content, or what its first will begin with."""
        return self._handed.get(digest, HandedIn())

    def note(self, digest: str, number: int, **known: Any) -> None:
        """Write down what is known of a job now; it outlives a crash."""
        entry = {"sha256": digest, "options": self._options, "number": number, **known}
        with self._lock:
            append_line(self._lines, json.dumps(entry) + "\n")
            self._take(entry)

    def key(self, digest: str, number: int) -> str:
        """What names the job at every attempt to hand it in, so that of one content there is one."""
        words = json.dumps([self._nonce, digest, self._options, number], sort_keys=True)
        return hashlib.sha256(words.encode()).hexdigest()[:KEY_LETTERS]

    def _take(self, entry: Mapping[str, Any]) -> None:
        before = self.last(entry["sha256"])
        if entry["number"] != before.number:
            before = HandedIn(entry["number"])
        known = {name: entry[name] for name in ("upload", "job", "ended") if name in entry}
        self._handed[entry["sha256"]] = replace(before, **known)
