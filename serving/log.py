"""What a server's log (config/log4j2.xml) tells of trouble: JSON objects, and sentences of our own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

TAIL_BYTES = 1024 * 1024
_EXCEPTION = re.compile(r"[\w.]+(Error|Exception): ")  # the last line of a traceback


def complaints(log: Path, lines: int = 15) -> str:
    """The last lines that tell of trouble, empty where there are none."""
    messages = (_complaint(line) for line in _tail(log))
    return "\n".join([message for message in messages if message][-lines:])


def last_exception(log: Path, model: str, version: str) -> str:
    """What the workers of a version said when the last of them died, empty where they said nothing."""
    for line in reversed(_tail(log)):
        entry = _entry(line) or {}
        thread, message = str(entry.get("thread")), str(entry.get("message"))
        if f"-{model}_{version}-" in thread and _EXCEPTION.match(message):
            return message
    return ""


def _complaint(line: str) -> str | None:
    """What a line complains of, None where it does not."""
    entry = _entry(line)
    if entry is None:
        return line  # a sentence of our own, or of Java's before its log is set up
    if "entry" in entry:  # what became of a request
        return None
    # A worker's lines are all INFO; the last of a traceback names the exception.
    if entry["level"] == "INFO" and not _EXCEPTION.match(entry["message"]):
        return None
    return f"{entry['thread']}: {entry['message']}"


def _entry(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def _tail(log: Path) -> list[str]:
    """The last lines of the log, as many as are worth a look."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - TAIL_BYTES))
            return file.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return []
