"""What a worker said when it died, from the server's log."""

from __future__ import annotations

import json
import re
from pathlib import Path

from outofsync_client.models._management import WORKFLOW

LOG_FILE = "server.log"
TAIL_BYTES = 1024 * 1024
_EXCEPTION = re.compile(r"[\w.]+(Error|Exception): ")  # the last line of a traceback


def complaint(state: Path, node: str, version: str) -> str:
    """The last exception in the lines of a version's workers, empty where there is none."""
    try:
        with (state / LOG_FILE).open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - TAIL_BYTES))
            lines = file.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for line in reversed(lines):
        try:
            entry = json.loads(line)
            thread, message = str(entry["thread"]), str(entry["message"])
        except (ValueError, KeyError, TypeError):
            continue
        if f"-{WORKFLOW}__{node}_{version}-" in thread and _EXCEPTION.match(message):
            return message
    return ""
