"""Commands and their options."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NoReturn, TextIO

import click
from click.shell_completion import get_completion_class
from rich.console import Console
from rich.table import Table
from rich.text import Text

from outofsync_client import __version__, reports
from outofsync_client._client import Client
from outofsync_client._exceptions import OutOfSyncError
from outofsync_client._many import Outcome, judge_many
from outofsync_client._result import Result
from outofsync_client.batch import Batch, JobBatch, JobJournal, Ledger, find_videos
from outofsync_client.batch.files import named_videos, read_list
from outofsync_client.cli.batch import Pace, live, tally
from outofsync_client.cli.calibrate import calibrate
from outofsync_client.cli.display import (
    ERROR,
    EXIT_ERROR,
    EXIT_REAL,
    exit_code,
    exit_code_of_verdicts,
    json_line,
    show_warnings,
    verdict_table,
)
from outofsync_client.cli.doctor import examine
from outofsync_client.cli.jobs import jobs as jobs_group
from outofsync_client.cli.jobs import submit
from outofsync_client.cli.options import (
    MAX_JOBS,
    client_of,
    opened,
    options_among,
    with_options,
    with_server,
)
from outofsync_client.cli.progress import progress
from outofsync_client.cli.status import shown, status_of
from outofsync_client.extensions import commands

EXIT_STOPPED = 130  # as shells have it for Ctrl-C
PICTURED = ["delays", "features", "frames"]  # what the reports show

EXIT_CODES = (
    "Exit codes: 0 every video is real or likely real, 1 some are fake or likely fake, 2 some are "
    "inconclusive, 3 an error (it outweighs a fake, and a fake an inconclusive video)."
)


class _Commands(click.Group):
    """What other packages add is found among the commands, and imported when it is called.

    Ends with 3 for every mistake, as click's own 2 would read as inconclusive, and Python's 1 as fake.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *commands()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        added = commands().get(cmd_name) if own is None else None
        return own if added is None else added.load()

    def main(self, *args: Any, **settings: Any) -> NoReturn:
        settings["standalone_mode"] = False
        try:
            sys.exit(super().main(*args, **settings))
        except click.ClickException as error:
            error.show()
            sys.exit(EXIT_ERROR)
        except click.Abort:
            click.echo("stopped", err=True)
            sys.exit(EXIT_STOPPED)
        except Exception:
            traceback.print_exc()
            sys.exit(EXIT_ERROR)


@click.group(cls=_Commands)
@click.version_option(__version__, prog_name="outofsync")
def cli() -> None:
    """Find manipulated talking-head video: do these lips and this voice belong together?"""
    show_warnings()


@cli.command(epilog=EXIT_CODES)
@click.argument("names", nargs=-1, metavar="FILE|FOLDER|PATTERN|-…")
@click.option("--from-list", type=click.File(), help="File with a name a line.")
@click.option(
    "--output-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the reports into this folder.",
)
@with_options
@click.option(
    "--jobs", type=click.IntRange(1, MAX_JOBS), default=1, show_default=True, help="Videos at a time."
)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON per video instead of a table.")
@click.option("--quiet", is_flag=True, help="Print nothing but what --json asks for; the exit code tells.")
@with_server
def detect(
    names: tuple[str, ...],
    from_list: TextIO | None,
    output_dir: Path | None,
    jobs: int,
    as_json: bool,
    quiet: bool,
    **choices: Any,
) -> int:
    """Judge videos and print their verdicts; - is a video from standard input."""
    with ExitStack() as held:
        named = [*names, *(read_list(from_list) if from_list else [])]
        paths = (held.enter_context(_standard_input()) if name == "-" else name for name in named)
        files = tuple(named_videos(paths))
        if not files:
            raise click.UsageError("no video is named")
        return _detect(files, choices, output_dir=output_dir, jobs=jobs, as_json=as_json, quiet=quiet)


@contextmanager
def _standard_input() -> Iterator[str]:
    """What comes in, as a file: it is sent again where that helps."""
    with tempfile.TemporaryDirectory(prefix="outofsync-") as folder:
        path = Path(folder) / "stdin"
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield str(path)


def _detect(
    files: tuple[Path, ...],
    choices: dict[str, Any],
    *,
    output_dir: Path | None,
    jobs: int,
    as_json: bool,
    quiet: bool,
) -> int:
    """Judge these files and say what became of them; the exit code."""
    options = options_among(choices)
    if output_dir:
        options["include"] = PICTURED
    with client_of(**choices) as client:
        try:
            outcomes = _judge_all(client, files, options, jobs=jobs, output_dir=output_dir, quiet=quiet)
        except OSError as error:  # unreadable videos are outcomes, so this is about the reports
            raise click.ClickException(f"the reports cannot be written: {error}") from None
    if as_json:
        for video, outcome in zip(files, outcomes):
            click.echo(json_line(video, outcome))
    elif not quiet:
        verdict_table(files, outcomes)
    if output_dir and not quiet:
        click.echo(f"reports are in {output_dir}", err=True)
    return exit_code(outcomes)


def _judge_all(
    client: Client,
    files: tuple[Path, ...],
    options: dict[str, Any],
    *,
    jobs: int,
    output_dir: Path | None,
    quiet: bool,
) -> list[Outcome]:
    """The outcomes in the order of the files; reports are written as each is done."""
    outcomes: dict[int, Outcome] = {}
    folder = reports.ReportFolder(output_dir, files, options) if output_dir else nullcontext()
    with folder as written, progress(len(files), quiet=quiet) as shown:

        def judge(file: Path) -> Result:
            with shown.uploading(file) as on_upload:
                return client.detect(file, on_upload=on_upload, **options)

        for judged in judge_many(judge, files, jobs=jobs, ordered=False):
            outcomes[judged.place] = judged.outcome
            if written:
                written.add(judged.place, judged.outcome)
            shown.done(judged.file, judged.outcome)
    return [outcomes[place] for place in sorted(outcomes)]


def _check_edge(client: Client) -> None:
    """A server without an edge takes no jobs."""
    try:
        _ = client.jobs
    except ValueError as error:
        raise click.UsageError(str(error)) from None


@cli.command(epilog=EXIT_CODES)
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


@cli.command()
@click.argument(
    "results", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="JSON…"
)
@click.option("--format", "formats", multiple=True, default=["html"], type=click.Choice(reports.FORMATS))
@click.option("--output-dir", type=click.Path(file_okay=False, path_type=Path), help="[default: beside each]")
def report(results: tuple[Path, ...], formats: tuple[str, ...], output_dir: Path | None) -> int:
    """Make reports of results that `detect` wrote as JSON, without asking a server."""
    for path in results:
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            result = Result.from_dict(values)
            asked = {"file": path.stem, "options": {}, **values.get("request", {})}
            title, options = str(asked["file"]), dict(asked["options"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise click.ClickException(f"{path} holds no result") from None
        folder = output_dir or path.parent
        folder.mkdir(parents=True, exist_ok=True)
        for name in formats:
            target = folder / f"{path.stem}_report.{name}"
            reports.save_report(target, result, title=title, options=options)
            click.echo(str(target))
    return EXIT_REAL


@cli.command()
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUT", type=click.Path(dir_okay=False, path_type=Path))
@with_server
def deblur(source: Path, target: Path, **server: Any) -> int:
    """Sharpen the faces of the video IN and write the result to OUT, an mp4 file with the same sound."""
    with client_of(**server) as client:
        try:
            with progress() as shown, shown.uploading(source) as on_upload:
                video = client.deblur(source, on_upload=on_upload)
        except OutOfSyncError as error:
            raise click.ClickException(str(error)) from None
    try:
        target.write_bytes(video)
    except OSError as error:
        raise click.ClickException(f"{target} cannot be written: {error.strerror}") from None
    click.echo(f"wrote {target} ({len(video) / 1e6:.1f} MB)", err=True)
    return EXIT_REAL


for command in (calibrate, submit, jobs_group):
    cli.add_command(command)


@cli.command()
@with_server
def doctor(**server: Any) -> int:
    """Look at this machine and its server, and say how to mend what is not well."""
    marks = {True: ("ok", "green"), False: ("bad", "bold red"), None: ("-", "bright_black")}
    table = Table(box=None, show_header=False, pad_edge=False)
    broken = False
    for finding in examine(Path.cwd(), lambda: opened(**server)):
        broken = broken or finding.ok is False
        word, style = marks[finding.ok]
        detail = finding.detail if finding.ok is not False else f"{finding.detail}\n→ {finding.fix}"
        table.add_row(Text(word, style), finding.what, Text(detail))
    Console().print(table)
    return EXIT_ERROR if broken else EXIT_REAL


@cli.command("serve-status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")
@with_server
def serve_status(as_json: bool, **server: Any) -> int:
    """Show what serves, its processes, what waits, and what was judged: 0 if it is ready, else 3."""
    with client_of(**server) as client:
        try:
            status = status_of(client)
        except OutOfSyncError as error:
            raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps(status.to_dict()))
    else:
        Console().print(shown(status), soft_wrap=True)
    return EXIT_REAL if status.health.ready else EXIT_ERROR


@cli.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> int:
    """Print what makes SHELL complete this command: source it in the shell's own start file."""
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, "outofsync", "_OUTOFSYNC_COMPLETE").source())
    return EXIT_REAL


@cli.command()
@with_server
def health(**server: Any) -> int:
    """Tell whether the server is ready: 0 if the whole chain answers, else 3."""
    with client_of(**server) as client:
        try:
            found = client.health()
        except OutOfSyncError as error:
            raise click.ClickException(str(error)) from None
        state = "ready" if found.ready else f"not ready: {found.problem}"
        click.echo(f"{client.url}: {found.status}, {state} ({found.seconds:.2f} s)")
    return EXIT_REAL if found.ready else EXIT_ERROR
