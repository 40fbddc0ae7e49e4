"""``outofsync batch``: thousands of videos, in a run that goes on where it was interrupted."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

import click
from rich.console import Console

from outofsync_client._client import Client
from outofsync_client.batch import Batch, JobBatch, JobJournal, Ledger, find_videos
from outofsync_client.batch.files import read_list
from outofsync_client.cli.display import ERROR, EXIT_CODES, exit_code_of_verdicts
from outofsync_client.cli.options import MAX_JOBS, client_of, options_among, with_options, with_server
from outofsync_client.cli.pace import Pace, live, tally


@click.command(epilog=EXIT_CODES)
@click.argument("names", nargs=-1, metavar="FILE|FOLDER|PATTERN…")
@click.option("--from-list", type=click.File(), help="File with a name a line; - is standard input.")
@click.option(
    "--output-dir",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder of results.jsonl, results.csv and errors.jsonl.",
)
@click.option("--resume", is_flag=True, help="Pass over what the ledger holds, by content and options.")
@click.option("--retry-failed", is_flag=True, help="With --resume: try those again that failed before.")
@click.option(
    "--jobs", type=click.IntRange(1, MAX_JOBS), default=4, show_default=True, help="Videos at a time."
)
@click.option(
    "--as-jobs",
    is_flag=True,
    help="Hand them in as jobs, which go on where this command is killed: --resume.",
)
@click.option("--quiet", is_flag=True, help="Print the summary alone.")
@with_options
@with_server
def batch(
    names: tuple[str, ...],
    from_list: TextIO | None,
    output_dir: Path,
    resume: bool,
    retry_failed: bool,
    jobs: int,
    as_jobs: bool,
    quiet: bool,
    **choices: Any,
) -> int:
    """Judge thousands of videos; what is done stays done, whatever interrupts the run."""
    options = options_among(choices)
    try:
        paths = list(find_videos([*names, *(read_list(from_list) if from_list else [])]))
        if not paths:
            raise click.UsageError("no video is named")
        with ExitStack() as held:
            client = held.enter_context(client_of(**choices))
            ledger = held.enter_context(Ledger(output_dir, options, resume=resume))
            run = Batch(client, ledger, jobs=jobs, retry_failed=retry_failed)
            if as_jobs:
                _check_edge(client)
                journal = held.enter_context(JobJournal(output_dir, ledger.options))
                run = JobBatch(client, ledger, journal, jobs=jobs, retry_failed=retry_failed)
            pace = Pace(len(paths), run.tally)
            with live(pace, quiet=quiet) as report_progress:
                for path, outcome in run.run(paths):
                    report_progress(path, outcome)
    except FileExistsError as error:
        raise click.ClickException(f"{error} (--resume)") from None
    except OSError as error:
        raise click.ClickException(str(error)) from None
    Console().print(tally(pace))
    verdicts = [*run.tally.verdicts, *([ERROR] if run.tally.errors else [])]
    return exit_code_of_verdicts(verdicts)


def _check_edge(client: Client) -> None:
    """A server without an edge takes no jobs."""
    try:
        _ = client.jobs
    except ValueError as error:
        raise click.UsageError(str(error)) from None
