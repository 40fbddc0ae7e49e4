"""Ledgers: files with one JSON object a line, which survive being cut off in the middle of a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


def read_ledger(path: Path) -> list[Entry]:
    """The lines of a ledger; an absent file has none, and a last line that was cut off does not count."""
    if not path.exists():
        return []
    complete = path.read_bytes().rpartition(b"\n")[0]
    return [json.loads(line) for line in complete.splitlines()]


def lateness(entry: Mapping[str, Any]) -> float:
    """Frames by which a prepared clip's sound comes late: its own, found by a check, and its set's."""
    return float(entry.get("sound_late", 0)) + float(entry.get("set_late", 0.0))


def append(path: Path, entry: Entry) -> None:
    """Add one line, in the place of a last one that was cut off."""
    line = json.dumps(entry, ensure_ascii=False).encode() + b"\n"
    with path.open("ab+") as file:
        end = file.seek(0, 2)
        if end and not _ends_a_line(path):
            file.truncate(path.read_bytes().rfind(b"\n") + 1)
        file.write(line)


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read() == b"\n"


def rewrite(path: Path, entries: Iterable[Entry]) -> None:
    """Replace all lines at once: a crash leaves either the old ledger or the new one."""
    partial = path.with_suffix(".partial")
    partial.write_text("".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries))
    partial.replace(path)
