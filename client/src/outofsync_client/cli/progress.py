"""How far the command line is, while it works: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Optional, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from outofsync_client._many import Outcome
from outofsync_client._multipart import UploadProgress
from outofsync_client.reports.wording import describe, printable

LONGEST_NAME = 40  # of a file beside its bar


class Shown(Protocol):
    """What is told of as it happens; threads may share it."""

    def uploading(self, video: Path, /) -> AbstractContextManager[Optional[UploadProgress]]:
        """What hears how much of a video is sent, until its block ends with the answer."""

    def done(self, video: Path, outcome: Outcome, /) -> None:
        """A video's outcome is there."""


@contextmanager
def progress(total: Optional[int] = None, *, quiet: bool = False) -> Iterator[Shown]:
    """Show the work on ``total`` videos; without a number, the upload of one."""
    console = Console(stderr=True)
    if quiet:
        yield _Nothing()
    elif not console.is_terminal:
        yield _Lines(console, total)
    else:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[amount]}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=console, transient=True) as bars:
            yield _Bars(bars, total)


class _Nothing:
    def uploading(self, _: Path, /) -> AbstractContextManager[None]:
        return nullcontext()

    def done(self, video: Path, outcome: Outcome, /) -> None:
        pass


class _Lines(_Nothing):
    """A line per video: how far an upload is would fill a log."""

    def __init__(self, console: Console, total: Optional[int]) -> None:
        self._console = console
        self._total = total
        self._done = 0

    def done(self, video: Path, outcome: Outcome, /) -> None:
        self._done += 1
        line = f"[{self._done}/{self._total}] {printable(str(video))}: {describe(outcome)}"
        self._console.print(Text(line), soft_wrap=True)


class _Bars:
    """One bar for all videos, and one for each of them from its first byte to its answer."""

    def __init__(self, bars: Progress, total: Optional[int]) -> None:
        self._bars = bars
        self._total = total
        self._done = 0
        self._all = None if total is None else bars.add_task("scoring", total=total, amount=f"0/{total}")

    @contextmanager
    def uploading(self, video: Path, /) -> Iterator[UploadProgress]:
        name = printable(video.name)
        name = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
        task: Optional[TaskID] = None

        def hear(sent: int, size: int) -> None:
            nonlocal task
            if task is None:
                task = self._bars.add_task("", total=size, amount="")
            self._bars.update(
                task,
                description=f"{'sending' if sent < size else 'waiting for the answer:'} {name}",
                completed=sent,
                amount=f"{sent / 1e6:.1f}/{size / 1e6:.1f} MB",
                refresh=sent in (0, size),  # in between, as often as the bars are drawn
            )

        try:
            yield hear
        finally:
            if task is not None:
                self._bars.remove_task(task)

    def done(self, _: Path, __: Outcome, /) -> None:
        self._done += 1
        if self._all is not None:
            self._bars.update(self._all, completed=self._done, amount=f"{self._done}/{self._total}")
