"""``outofsync detect``, ``deblur`` and ``report``: videos, and what was found in them."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TextIO

import click

from outofsync_client import reports
from outofsync_client._client import Client
from outofsync_client._exceptions import OutOfSyncError
from outofsync_client._many import Outcome, judge_many
from outofsync_client._result import Result
from outofsync_client.batch.files import named_videos, read_list
from outofsync_client.cli.display import EXIT_CODES, EXIT_REAL, exit_code, json_line, verdict_table
from outofsync_client.cli.options import MAX_JOBS, client_of, options_among, with_options, with_server
from outofsync_client.cli.progress import progress

PICTURED = ["delays", "features", "frames"]  # what the reports show


@click.command(epilog=EXIT_CODES)
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


@click.command()
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


@click.command()
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
