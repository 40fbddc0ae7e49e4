"""The corpus of malformed files through the whole engine: what came of each, and what was to come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from samples.malformed.corpus import CORPUS, READ, truncated
from samples.malformed.footage import Footage

SECONDS, SIDE = 1.2, 256  # of the footage; its face is large enough to be found


def malformed(result: Callable[[bytes], dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each file; ``result`` gives a result, or an error's envelope."""
    footage = Footage.read(SECONDS, SIDE)
    rows = []
    for file in (*CORPUS, *truncated(footage)):
        answer = result(file.make(footage))
        said = answer["error"]["code"] if "error" in answer else READ
        rows.append({"kind": file.kind, "file": file.name, "now": said, "right": said in file.expected})
    return rows
