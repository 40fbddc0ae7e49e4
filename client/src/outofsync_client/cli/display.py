"""What the command line makes of outcomes: a table or JSON, an exit code, and warnings while it works."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from outofsync_client._exceptions import OutOfSyncError
from outofsync_client._many import Outcome
from outofsync_client._result import FAKE_VERDICTS, INCONCLUSIVE, Result
from outofsync_client.reports.wording import (
    NOTHING,
    number,
    percent,
    printable,
    reasons_words,
    signed,
    verdict_words,
)

EXIT_REAL = 0
EXIT_FAKE = 1
EXIT_INCONCLUSIVE = 2
EXIT_ERROR = 3
ERROR = "error"  # stands where a verdict would

STYLES = {
    "real": "bold green",
    "likely_real": "green",
    "likely_fake": "yellow",
    "fake": "bold red",
    "inconclusive": "bright_black",
}
ERROR_STYLE = "bold magenta"
PLAIN_WIDTH = 120  # where no terminal says how wide it is

EXIT_CODES = (
    "Exit codes: 0 every video is real or likely real, 1 some are fake or likely fake, 2 some are "
    "inconclusive, 3 an error (it outweighs a fake, and a fake an inconclusive video)."
)


class _Warnings(logging.Handler):
    """Lines on the standard error output of the moment: a progress bar moves out of their way."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(printable(record.getMessage()), err=True)


_WARNINGS = _Warnings(logging.WARNING)


def show_warnings() -> None:
    """Let whoever waits for a busy server know why."""
    logging.getLogger("outofsync_client").addHandler(_WARNINGS)


def verdict_table(videos: Sequence[Path], outcomes: Iterable[Outcome]) -> None:
    """Print a row per video."""
    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PLAIN_WIDTH
    table = Table(title="Verdicts", title_justify="left")
    table.add_column("file", overflow="fold", ratio=2)
    table.add_column("verdict", no_wrap=True)
    for name in ("P(fake)", "score", "offset"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("reasons", overflow="fold", ratio=3)
    for video, outcome in zip(videos, outcomes):
        table.add_row(Text(printable(str(video))), *_cells(outcome))
    console.print(table)


def _cells(outcome: Outcome) -> list[Text]:
    if isinstance(outcome, OutOfSyncError):
        return [Text("error", ERROR_STYLE), *(Text(NOTHING) for _ in range(3)), Text(printable(str(outcome)))]
    offset = NOTHING if outcome.offset_frames is None else signed(outcome.offset_frames)
    return [
        Text(verdict_words(outcome.verdict), STYLES.get(outcome.verdict, "")),
        Text(percent(outcome.probability_fake)),
        Text(number(outcome.score)),
        Text(offset),
        Text(reasons_words(outcome)),
    ]


def json_line(video: Path, outcome: Outcome) -> str:
    """One video's outcome as one line of JSON."""
    values = {"result": outcome.to_dict()} if isinstance(outcome, Result) else {"error": outcome.to_dict()}
    return json.dumps({"file": str(video), **values})


def exit_code(outcomes: Iterable[Outcome]) -> int:
    """What the whole run comes to: an error outweighs a fake, and a fake an inconclusive video."""
    return exit_code_of_verdicts(
        outcome.verdict if isinstance(outcome, Result) else ERROR for outcome in outcomes
    )


def exit_code_of_verdicts(verdicts: Iterable[str]) -> int:
    """The same of verdicts alone."""
    codes = {_exit_code_of(verdict) for verdict in verdicts}
    return next((code for code in (EXIT_ERROR, EXIT_FAKE, EXIT_INCONCLUSIVE) if code in codes), EXIT_REAL)


def _exit_code_of(verdict: str) -> int:
    if verdict == ERROR:
        return EXIT_ERROR
    if verdict in FAKE_VERDICTS:
        return EXIT_FAKE
    return EXIT_INCONCLUSIVE if verdict == INCONCLUSIVE else EXIT_REAL
