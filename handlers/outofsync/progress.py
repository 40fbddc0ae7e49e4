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
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from outofsync.errors import cancelled_envelope
from outofsync.segment_file import SegmentFile

EVERY_S = 0.2  # between two looks at the file
LINE_BYTES = 32  # of its first line: a stage and a share, e.g. "faces 0.250"
AMOUNT_BYTES = 32  # of each line behind it: an amount, e.g. "12.25 3750 15000"
NAME = re.compile(r"[0-9a-f]{32}")


class Step(StrEnum):
    """What a request is at, in this order."""

    DECODE = "decode"  # reading the file up to its first pictures
    FACES = "faces"  # following faces through them; most of decoding happens meanwhile
    DEBLUR = "deblur"
    COMPARE = "compare"  # lips and voice
    SCORE = "score"  # the faces' own look, and what it all amounts to


COUNTED = (Step.FACES, Step.DEBLUR, Step.COMPARE, Step.SCORE)  # whose amounts follow the first line, in order
FILE_BYTES = LINE_BYTES + AMOUNT_BYTES * len(COUNTED)


@dataclass(frozen=True, slots=True)
class Amount:
    """The work of one step, in frames: of the video for ``FACES``, of its faces for what follows.

    ``expected`` is what is known by now; of a step that is still to come, it grows with what has been seen.
    """

    spent_s: float = 0.0  # seconds
    done: float = 0.0
    expected: float = 0.0

    def __str__(self) -> str:
        return f"{self.spent_s:.2f} {self.done:.0f} {self.expected:.0f}"


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

    def __init__(
        self,
        descriptor: int | None = None,
        *,
        abandoned: bool = False,
        segments: SegmentFile | None = None,
    ) -> None:
        self.segments = segments or SegmentFile()
        self._descriptor = descriptor
        self._abandoned = abandoned
        self._step: Step | None = None
        self._began = 0.0
        self._due = 0.0
        self._amounts: dict[Step, Amount] = {}

    @classmethod
    def open(cls, folder: Path | None, name: str | None) -> Progress:
        """The file of this name; where a name is given and its file has gone, nobody waits."""
        if folder is None or name is None or not NAME.fullmatch(name):
            return cls()
        try:
            descriptor = os.open(folder / name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            return cls(descriptor, segments=SegmentFile.open(folder, name))
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
        if step is not self._step:
            self._end_step(now)
            self._step, self._began = step, now
        self._due = now + EVERY_S
        self._abandoned = os.fstat(self._descriptor).st_nlink == 0
        if self._abandoned:
            raise AbandonedError(step)
        self._write(step, share, now)

    def expect(self, step: Step, frames: float) -> None:
        """How many frames there are to be worked on in a step, as far as that is known; told with it."""
        self._amounts[step] = replace(self._amounts.get(step, _NOTHING), expected=frames)

    def finish(self) -> None:
        """The last step is done, or the last of this node's."""
        if self._step is not None and self._descriptor is not None:
            now = time.monotonic()
            self._end_step(now)
            self._write(self._step, 1.0, now)

    def _end_step(self, now: float) -> None:
        """What was to be done in the step so far has been done."""
        if self._step is not None and (amount := self._amounts.get(self._step)):
            self._amounts[self._step] = replace(amount, spent_s=now - self._began, done=amount.expected)

    def _write(self, step: Step, share: float | None, now: float) -> None:
        within = None if share is None else min(1.0, max(0.0, share))
        if within is not None and (amount := self._amounts.get(step)):
            done = amount.expected * within
            if not done:  # what is made ready at first says nothing of what the rest will take
                self._began = now
            self._amounts[step] = replace(amount, spent_s=now - self._began, done=done)
        said = step if within is None else f"{step} {within:.3f}"
        known = [number for number, counted in enumerate(COUNTED) if counted in self._amounts]
        with suppress(OSError):  # a full disk is no reason to judge nothing
            assert self._descriptor is not None
            os.pwrite(self._descriptor, _padded(said, LINE_BYTES), 0)
            if known:  # the node before has told of the steps before
                told = [self._amounts.get(counted, "") for counted in COUNTED[known[0] : known[-1] + 1]]
                lines = b"".join(_padded(str(amount), AMOUNT_BYTES) for amount in told)
                os.pwrite(self._descriptor, lines, LINE_BYTES + known[0] * AMOUNT_BYTES)

    def close(self) -> None:
        self.segments.close()
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

    def expect(self, step: Step, frames: float) -> None:
        """Of all of them together."""
        for member in self._members:
            member.expect(step, frames)

    def finish(self) -> None:
        for member in self._members:
            member.finish()

    def close(self) -> None:
        """Each member is closed by whoever opened it."""


class Share:
    """Counts how much of a step is done, and tells; several threads may count."""

    def __init__(self, progress: Progress, step: Step, expected: float) -> None:
        self._progress = progress
        self._step = step
        self._expected = max(1.0, expected)
        self._done = 0
        progress.expect(step, expected)
        progress.tell(step, 0.0)

    def add(self, count: int) -> None:
        """So many more are done; raises :class:`AbandonedError`."""
        self._done += count
        self._progress.tell(self._step, self._done / self._expected)


_NOTHING = Amount()
NOBODY = Progress()  # to be told of work that nobody follows


def _padded(line: str, size: int) -> bytes:
    return f"{line}\n".ljust(size).encode()


def parse(line: bytes) -> tuple[str, float | None] | None:
    """What a file says: a step and its share; None where it says nothing yet."""
    step, _, share = line[:LINE_BYTES].decode("ascii", "replace").strip().partition(" ")
    if step not in set(Step):
        return None
    try:
        return step, float(share) if share else None
    except ValueError:
        return step, None


def amounts_of(content: bytes) -> dict[Step, Amount]:
    """The amounts in a file, of those steps for which it holds one; it may have been read half written."""
    found = {}
    for number, step in enumerate(COUNTED):
        start = LINE_BYTES + number * AMOUNT_BYTES
        with suppress(ValueError):  # there is none
            spent, done, expected = map(float, content[start : start + AMOUNT_BYTES].split())
            found[step] = Amount(spent, done, expected)
    return found
