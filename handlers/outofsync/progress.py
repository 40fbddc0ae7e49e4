"""How far a request is, told in a small file to whoever waits for it; and whether anybody still does.

The file is made by whoever waits, and removed once he has his answer or no longer wants it. So one that has
gone asks for an end, and whatever becomes of the process that writes to it, nothing is left behind.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from outofsync.errors import cancelled_envelope

EVERY_S = 0.2  # between two looks at the file
LINE_BYTES = 32  # of what it holds: a stage and a share, e.g. "faces 0.250"
NAME = re.compile(r"[0-9a-f]{32}")


class Step(StrEnum):
    """What a request is at, in this order."""

    DECODE = "decode"  # reading the file up to its first pictures
    FACES = "faces"  # following faces through them; most of decoding happens meanwhile
    DEBLUR = "deblur"
    COMPARE = "compare"  # lips and voice
    SCORE = "score"  # the faces' own look, and what it all amounts to


class AbandonedError(Exception):
    """Nobody waits for this request any more. It is no fault of anybody's, so no caller hears of it."""

    def __init__(self, step: Step) -> None:
        super().__init__(f"abandoned at {step}")
        self.step = step

    def to_dict(self, request_id: str) -> dict[str, object]:
        """How it travels to the next node, as the failures of a request do."""
        return cancelled_envelope(self.step, request_id)


class Progress:
    """One request's file. Without one, nothing is told, and somebody is taken to wait."""

    def __init__(self, descriptor: int | None = None, *, abandoned: bool = False) -> None:
        self._descriptor = descriptor
        self._abandoned = abandoned
        self._step: Step | None = None
        self._due = 0.0

    @classmethod
    def open(cls, folder: Path | None, name: str | None) -> Progress:
        """The file of this name; where a name is given and its file has gone, nobody waits."""
        if folder is None or name is None or not NAME.fullmatch(name):
            return cls()
        try:
            return cls(os.open(folder / name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC))
        except FileNotFoundError:
            return cls(abandoned=True)
        except OSError:
            return cls()

    def tell(self, step: Step, share: float | None = None) -> None:
        """Say what the request is at, and how much of that is done (0 … 1, None where it is not known).

        Cheap enough to be called for every picture. Raises :class:`AbandonedError` where nobody waits.
        """
        if self._abandoned:
            raise AbandonedError(step)
        if self._descriptor is None:
            return
        now = time.monotonic()
        if step is self._step and now < self._due:
            return
        self._step, self._due = step, now + EVERY_S
        self._abandoned = os.fstat(self._descriptor).st_nlink == 0
        if self._abandoned:
            raise AbandonedError(step)
        said = step if share is None else f"{step} {min(1.0, max(0.0, share)):.3f}"
        with suppress(OSError):  # a full disk is no reason to judge nothing
            os.pwrite(self._descriptor, f"{said}\n".ljust(LINE_BYTES).encode(), 0)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class SharedProgress(Progress):
    """Requests that are worked on together: all hear the same, and go on for as long as one is waited for."""

    def __init__(self, members: Sequence[Progress]) -> None:
        super().__init__()
        self._members = members

    def tell(self, step: Step, share: float | None = None) -> None:
        left = 0
        for member in self._members:
            with suppress(AbandonedError):
                member.tell(step, share)
                left += 1
        if self._members and not left:
            raise AbandonedError(step)

    def close(self) -> None:
        """Each member is closed by whoever opened it."""


class Share:
    """Counts how much of a step is done, and tells; several threads may count."""

    def __init__(self, progress: Progress, step: Step, expected: float) -> None:
        self._progress = progress
        self._step = step
        self._expected = max(1.0, expected)
        self._done = 0
        progress.tell(step, 0.0)

    def add(self, count: int) -> None:
        """So many more are done; raises :class:`AbandonedError`."""
        self._done += count
        self._progress.tell(self._step, self._done / self._expected)


NOBODY = Progress()  # to be told of work that nobody follows


def parse(line: bytes) -> tuple[str, float | None] | None:
    """What a file says: a step and its share; None where it says nothing yet."""
    step, _, share = line.decode("ascii", "replace").strip().partition(" ")
    if step not in set(Step):
        return None
    try:
        return step, float(share) if share else None
    except ValueError:
        return step, None
