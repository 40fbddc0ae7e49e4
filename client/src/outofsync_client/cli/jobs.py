"""``outofsync submit`` and ``outofsync jobs``: videos handed in, answers asked for later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from outofsync_client._client import Client
from outofsync_client._exceptions import NotFoundError, OutOfSyncError
from outofsync_client._jobs import Job, PriorityChoice, StateChoice
from outofsync_client._many import Outcome
from outofsync_client._result import EarlySegment
from outofsync_client.batch.files import named_videos
from outofsync_client.cli.display import (
    EXIT_ERROR,
    EXIT_REAL,
    PLAIN_WIDTH,
    STYLES,
    exit_code,
    json_line,
    verdict_table,
)
from outofsync_client.cli.options import client_of, options_among, with_options, with_server
from outofsync_client.cli.progress import progress
from outofsync_client.protocol import JobState
from outofsync_client.reports.wording import (
    NOTHING,
    delay_words,
    number,
    percent,
    printable,
    verdict_words,
)

SHOWN = 50  # jobs of a list, unless more are asked for

with_json = click.option("--json", "as_json", is_flag=True, help="Print one line of JSON per job.")


@contextmanager
def _asking(server: dict[str, Any]) -> Iterator[Client]:
    """A client; what goes wrong is a sentence."""
    with client_of(**server) as client:
        try:
            yield client
        except NotFoundError as error:
            raise click.ClickException(f"{error.message}. {error.hint}") from None
        except (OutOfSyncError, ValueError) as error:
            raise click.ClickException(str(error)) from None


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="FILE|FOLDER|PATTERN…")
@click.option(
    "--priority", type=click.Choice(get_args(PriorityChoice)), help="bulk lets interactive jobs go first."
)
@click.option("--fresh", is_flag=True, help="Judge it even where the server has the answer already.")
@with_json
@with_options
@with_server
def submit(names: tuple[str, ...], priority: Any, fresh: bool, as_json: bool, **choices: Any) -> int:
    """Hand videos in as jobs and print their ids: `outofsync jobs wait ID…` has the verdicts."""
    options = options_among(choices)
    files = tuple(named_videos(names))
    if not files:
        raise click.UsageError("no video is named")
    with _asking(choices) as client, progress(len(files), quiet=as_json) as shown:
        for file in files:
            with shown.uploading(file) as on_upload:
                job = client.jobs.submit(file, priority=priority, fresh=fresh, on_upload=on_upload, **options)
            click.echo(json.dumps(job.to_dict()) if as_json else f"{job.id}  {printable(str(file))}")
    return EXIT_REAL


@click.group()
def jobs() -> None:
    """Ask for jobs that were handed in."""


@jobs.command("list")
@click.option("--state", type=click.Choice(get_args(StateChoice)))
@click.option("--verdict", type=click.Choice(tuple(STYLES)))
@click.option("--label", type=click.Choice(("REAL", "FAKE")))
@click.option("--limit", type=click.IntRange(min=1), default=SHOWN, show_default=True)
@with_json
@with_server
def list_jobs(state: Any, verdict: Any, label: Any, limit: int, as_json: bool, **server: Any) -> int:
    """List this key's jobs, newest first."""
    with _asking(server) as client:
        listed = client.jobs.list(state=state, verdict=verdict, label=label)
        found = [job for job, _ in zip(listed, range(limit))]
    if as_json:
        for job in found:
            click.echo(json.dumps(job.to_dict()))
    else:
        _table(found)
    return EXIT_REAL


@jobs.command()
@click.argument("id")
@with_json
@with_server
def show(id: str, as_json: bool, **server: Any) -> int:
    """Show one job; with its result, if it is done."""
    with _asking(server) as client:
        job = client.jobs.get(id)
    if as_json:
        click.echo(json.dumps(job.to_dict()))
        return EXIT_REAL
    if job.state in (JobState.DONE, JobState.FAILED):
        verdict_table([Path(job.file)], [_outcome(job)])
    else:
        _table([job])
        _segments(job)
    return EXIT_REAL


@jobs.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID…")
@with_json
@with_server
def wait(ids: tuple[str, ...], as_json: bool, **server: Any) -> int:
    """Wait until jobs have ended, and print their verdicts; exit codes are those of `detect`."""
    with _asking(server) as client:
        found = [client.jobs.wait(id) for id in ids]
    ended = [job for job in found if job.state in (JobState.DONE, JobState.FAILED)]
    outcomes = [_outcome(job) for job in ended]
    if as_json:
        for job, outcome in zip(ended, outcomes):
            click.echo(json_line(Path(job.file), outcome))
    elif ended:
        verdict_table([Path(job.file) for job in ended], outcomes)
    for job in found:
        if job not in ended:
            click.echo(f"{job.id} is {job.state}", err=True)
    return exit_code(outcomes) if len(ended) == len(found) else EXIT_ERROR


@jobs.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID…")
@with_server
def cancel(ids: tuple[str, ...], **server: Any) -> int:
    """Cancel jobs that have not ended, and have the server forget those that have."""
    with _asking(server) as client:
        for id in ids:
            click.echo(f"{id} is {'forgotten' if client.jobs.cancel(id) is None else 'cancelled'}")
    return EXIT_REAL


def _outcome(job: Job) -> Outcome:
    return job.failure or job.result


def _segments(job: Job) -> None:
    """What is scored so far."""
    if not job.segments:
        return
    table = Table(box=None, pad_edge=False)
    for name in ("from", "to", "fake", "score", "delay", ""):
        table.add_column(name, justify="right", no_wrap=True)
    for segment in job.segments:
        early = "preliminary" if isinstance(segment, EarlySegment) and segment.preliminary else ""
        times = (f"{moment:.2f} s" for moment in (segment.start, segment.end))
        known = (percent(segment.probability_fake), number(segment.score), delay_words(segment.peak_delay))
        table.add_row(*times, *known, early)
    _console().print(table)


def _console() -> Console:
    console = Console()
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    return console


def _table(found: list[Job]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("id", "state", "verdict", "handed in", "file"):
        table.add_column(name, no_wrap=name != "file", overflow="fold")
    for job in found:
        how_far = job.state if job.stage is None else f"{job.stage} {percent(job.done)}"
        if job.remaining_s is not None:
            how_far += f", {_duration(job.remaining_s)} left"
        verdict = NOTHING if job.verdict is None else verdict_words(job.verdict)
        moment = job.created[:19].replace("T", " ")
        style = STYLES.get(job.verdict or "", "")
        table.add_row(job.id, how_far, Text(verdict, style), moment, Text(printable(job.file)))
    _console().print(table)


def _duration(seconds: float) -> str:
    """About how long."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
