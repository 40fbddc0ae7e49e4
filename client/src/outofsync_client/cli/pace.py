"""How far a long run is: a live table on a terminal, a line for each video elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Callable

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from outofsync_client._many import Outcome
from outofsync_client.batch.runner import Tally
from outofsync_client.cli.display import STYLES
from outofsync_client.reports.wording import describe, printable, verdict_words

Report = Callable[[Path, Outcome], None]


class Pace:
    """How fast a run goes, and how long the rest takes."""

    def __init__(self, total: int, tally: Tally, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = total
        self.tally = tally
        self._clock = clock
        self._started = clock()

    @property
    def left(self) -> int:
        return max(0, self.total - self.tally.done - self.tally.skipped)

    @property
    def rate(self) -> float:
        """Videos per minute."""
        passed = self._clock() - self._started
        return 60.0 * self.tally.done / passed if passed > 0 else 0.0

    def words(self) -> str:
        """The state in one line."""
        words = f"{self.tally.done} judged, {self.tally.skipped} done before, {self.left} left"
        if not self.tally.done:
            return words
        words = f"{words}, {self.rate:.1f} a minute"
        return f"{words}, {_minutes(self.left / self.rate)} to go" if self.left else words


def _minutes(minutes: float) -> str:
    if minutes < 1:
        return "less than a minute"
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def tally(pace: Pace) -> Group:
    """The pace, and counts by verdict and error."""
    table = Table()
    table.add_column("outcome")
    table.add_column("videos", justify="right")
    for verdict in [*STYLES, *sorted(set(pace.tally.verdicts) - set(STYLES))]:
        if count := pace.tally.verdicts[verdict]:
            table.add_row(Text(verdict_words(verdict), STYLES.get(verdict, "")), str(count))
    for code, count in sorted(pace.tally.errors.items()):
        table.add_row(Text(f"error: {code}", "bold magenta"), str(count))
    return Group(Text(pace.words(), no_wrap=True, overflow="ellipsis"), table)


@contextmanager
def live(pace: Pace, *, quiet: bool) -> Iterator[Report]:
    """A function to call with each video that is done: a table on a terminal, a plain line elsewhere."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:

        def say(path: Path, outcome: Outcome) -> None:
            if not quiet:
                console.print(Text(f"{printable(str(path))}: {describe(outcome)}"), soft_wrap=True)

        yield say
        return
    with Live(tally(pace), console=console, transient=True) as shown:
        yield lambda *_: shown.update(tally(pace))
