"""Segments that are scored before their request is answered, in a file beside its progress.

As with that one, whoever waits makes the file and removes it, so that nothing is left behind, and nobody who
does not want it pays for it. A line holds what has become known since the line before; a segment that is told
again takes the place of what was said of it. The last lines may be cut short while they are being written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

SUFFIX = ".segments"
MOST_BYTES = 1 << 20  # of one file, which is some thousands of segments; beyond, nothing more is told

Described = Mapping[str, Any]  # a segment as results have it, and whether it is ``preliminary``


class SegmentFile:
    """One request's file, to be closed; without one, nothing is told."""

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = descriptor

    @classmethod
    def open(cls, folder: Path, name: str) -> SegmentFile:
        """That of the request whose progress has this name, where somebody has made it."""
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            return cls(os.open(folder / f"{name}{SUFFIX}", flags))
        except OSError:
            return cls()

    @property
    def wanted(self) -> bool:
        """Whether anybody looks."""
        return self._descriptor is not None

    def tell(self, segments: Sequence[Described], *, anew: bool = False) -> None:
        """These are scored; ``anew``: and no others, whatever was said before."""
        if self._descriptor is None or not (segments or anew):
            return
        line = json.dumps({"anew": anew, "segments": list(segments)}).encode() + b"\n"
        with suppress(OSError):  # a full disk is no reason to judge nothing
            if os.fstat(self._descriptor).st_size + len(line) <= MOST_BYTES:
                os.write(self._descriptor, line)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def segments_of(content: bytes) -> list[dict[str, Any]]:
    """What a file says is scored, in order of time."""
    found: dict[tuple[float, int], dict[str, Any]] = {}
    for line in content.splitlines():
        with suppress(ValueError, KeyError, TypeError):
            told = json.loads(line)
            if told["anew"]:
                found = {}
            found |= {(segment["start"], segment["track"]): segment for segment in told["segments"]}
    return [found[place] for place in sorted(found)]
