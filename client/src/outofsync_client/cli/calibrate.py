"""``outofsync calibrate``: verdict bands that fit one's own genuine videos."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from outofsync_client._client import Client
from outofsync_client._exceptions import OutOfSyncError
from outofsync_client._result import FAKE_VERDICTS, INCONCLUSIVE
from outofsync_client.batch import Batch, Ledger, find_videos
from outofsync_client.calibration import (
    Bands,
    Calibration,
    OwnVideos,
    ScoringCheckpoint,
    UnknownCheckpointError,
    needed_people,
    own_videos,
)
from outofsync_client.calibration._calibrating import CALIBRATION_FILE, calibration_of, default_name
from outofsync_client.calibration._calibration import FALSE_ALARMS, LOWEST_ALARM
from outofsync_client.cli.display import EXIT_REAL
from outofsync_client.cli.options import (
    MAX_JOBS,
    client_of,
    options_among,
    with_options,
    with_places,
    with_server,
)
from outofsync_client.cli.pace import Pace, live
from outofsync_client.cli.server import nearest_state
from outofsync_client.extensions import versions_at
from outofsync_client.reports.wording import number, percent, printable
from outofsync_client.versions import Versions

OUTPUT_FOLDER = Path("calibration")
ROWS = {"called likely fake or fake": FAKE_VERDICTS, "inconclusive": (INCONCLUSIVE,)}
BANDS = {"low": "real below", "middle": "likely fake from", "high": "fake from"}
MAX_NAMED = 5  # files that are left out for one reason; the ledger holds all
MAX_CLIPS = 4  # judged twice more before anybody depends on the version
SUSPECTS = 3  # files whose probabilities are highest


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--output-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=OUTPUT_FOLDER,
    show_default=True,
    help="Folder of calibration.json and of the ledger.",
)
@click.option("--resume", is_flag=True, help="Pass over what the ledger holds, by content and options.")
@click.option("--retry-failed", is_flag=True, help="With --resume: try those again that failed before.")
@click.option("--jobs", type=click.IntRange(1, MAX_JOBS), default=4, show_default=True)
@click.option("--quiet", is_flag=True, help="Print the outcome alone.")
@click.option("--name", help="What results call the calibration. [default: the folder's name and the day]")
@click.option(
    "--false-alarms",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=FALSE_ALARMS,
    show_default=True,
    help="Share of genuine videos that may be called fake or likely fake.",
)
@click.option(
    "--lowest-alarm",
    type=click.FloatRange(0, 1),
    default=LOWEST_ALARM,
    show_default=True,
    help="Least probability that is called so.",
)
@click.option(
    "--checkpoint",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The server's scoring.safetensors. [default: looked for in the model store]",
)
@click.option("--promote", is_flag=True, help="Let the calibration judge from now on; rollback leads back.")
@click.option("--version", help="With --promote: of the new version. [default: the next one]")
@click.option(
    "--project",
    type=click.Path(path_type=Path),
    help="With --promote: the checkout that builds. [default: this one]",
)
@with_places
@with_options
@with_server
def calibrate(
    folder: Path,
    output_dir: Path,
    name: str | None,
    checkpoint: Path | None,
    promote: bool,
    version: str | None,
    project: Path | None,
    state: Path | None,
    model_store: Path | None,
    **choices: Any,
) -> int:
    """Fit the verdict's bands to genuine videos of your own, in FOLDER.

    Videos in one sub-folder are of one person; a file beside the sub-folders is of a person of its own.
    Nothing changes for anybody without --promote.
    """
    options = options_among(choices)
    shares = {share: choices.pop(share) for share in ("false_alarms", "lowest_alarm")}
    run = {one: choices.pop(one) for one in ("resume", "retry_failed", "jobs", "quiet")}
    with _sentences(), client_of(**choices) as client:
        videos = _judged(client, folder, output_dir, options, **run)
        calibration = calibration_of(
            videos,
            lambda weights: (
                ScoringCheckpoint.of_file(checkpoint)
                if checkpoint
                else _versions_at(state, model_store).scoring(weights)
            ),
            name=name or default_name(folder, videos),
            options={one: value for one, value in options.items() if value is not None},
            **shares,
        )
        calibration.write(output_dir / CALIBRATION_FILE)
        Console().print(shown(videos, calibration))
        if promote:
            clips = videos.spread(MAX_CLIPS)
            _versions_at(state, model_store).roll_out(
                calibration, clips=clips, version=version, project=project, say=click.echo
            )
            click.echo(_asked_once_more(client, clips[0], options))
        else:
            click.echo(_next(output_dir / CALIBRATION_FILE))
    return EXIT_REAL


@contextmanager
def _sentences() -> Iterator[None]:
    """What goes wrong is said, not thrown."""
    try:
        yield
    except OutOfSyncError as error:
        raise click.ClickException(str(error)) from None
    except FileExistsError as error:
        raise click.ClickException(f"{error} (--resume)") from None
    except OSError as error:
        raise click.ClickException(str(error)) from None
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _judged(
    client: Client,
    folder: Path,
    output_dir: Path,
    options: Mapping[str, Any],
    *,
    resume: bool,
    retry_failed: bool,
    jobs: int,
    quiet: bool,
) -> OwnVideos:
    """What the server says of the folder's videos, as ``outofsync batch`` asks it."""
    paths = list(find_videos([str(folder)]))
    with Ledger(output_dir, {"include": [], **options}, resume=resume) as ledger:
        run = Batch(client, ledger, jobs=jobs, retry_failed=retry_failed)
        with live(Pace(len(paths), run.tally), quiet=quiet) as report_progress:
            for path, outcome in run.run(paths):
                report_progress(path, outcome)
        return own_videos(folder, paths, ledger)


def _versions_at(state: Path | None, model_store: Path | None) -> Versions:
    """The versions of the server on this machine."""
    try:
        return versions_at(state or nearest_state(Path.cwd()), model_store)
    except LookupError as error:
        raise UnknownCheckpointError(str(error)) from None


def shown(videos: OwnVideos, calibration: Calibration) -> Group:
    """What there is to say about a calibration before anybody depends on it."""
    parts: list[RenderableType] = [_bands(videos, calibration), *_left_out(videos)]
    return Group(*parts, *_doubts(videos, calibration), Text(promise_words(calibration)))


def _bands(videos: OwnVideos, calibration: Calibration) -> Table:
    """Before and after."""
    title = f"Calibration {printable(calibration.name)}"
    table = Table(title=title, title_justify="left", caption="every person alike", caption_justify="left")
    table.add_column("")
    for when, called in (("before", calibration.before_name), ("after", calibration.name)):
        table.add_column(f"{when}\n({printable(called)})", justify="right", overflow="fold")
    sides = (calibration.before, calibration.bands)
    for field, words in BANDS.items():
        table.add_row(words, *(number(getattr(side, field)) for side in sides))
    table.add_section()
    for words, verdicts in ROWS.items():
        table.add_row(f"own videos {words}", *(_share(videos, side, verdicts) for side in sides))
    return table


def _share(videos: OwnVideos, bands: Bands, verdicts: tuple[str, ...]) -> str:
    """Every person alike, and how many videos that is."""
    count = sum(video.verdict(bands) in verdicts for video in videos.judged)
    return f"{percent(videos.share(bands, verdicts))} ({count} of {len(videos.judged)})"


def _left_out(videos: OwnVideos) -> Iterator[Table]:
    """The videos about which no band decides, by why."""
    if not videos.left_out:
        return
    table = Table(title="Left out", title_justify="left")
    for name in ("why", "videos", ""):
        table.add_column(name, overflow="fold")
    for why, count in videos.reasons.most_common():
        names = [printable(video.path.name) for video in videos.left_out if video.why == why]
        more = f" and {count - MAX_NAMED} more" if count > MAX_NAMED else ""
        table.add_row(Text(why), str(count), Text(", ".join(names[:MAX_NAMED]) + more))
    yield table


def _doubts(videos: OwnVideos, calibration: Calibration) -> Iterator[Text]:
    """Videos that raise the bands so far that they had better be genuine indeed."""
    highest = sorted(videos.judged, key=lambda video: -video.probability)[:SUSPECTS]
    if calibration.bands.middle > calibration.before.middle:
        named = ", ".join(f"{printable(str(one.path))} ({number(one.probability)})" for one in highest)
        yield Text(f"The alarm is rarer than before. Make sure that these are genuine: {named}")


def promise_words(calibration: Calibration) -> str:
    """What may be expected of the new bands, as a sentence or two."""
    promise = calibration.promise
    people = f"{promise.people} {'person' if promise.people == 1 else 'people'}"
    shares = (promise.alarms.low, promise.alarms.high, promise.false_alarms)
    low, high, asked = (f"{round(100.0 * share, 1):g} %" for share in shares)
    if promise.kept:
        first = (
            f"Of genuine videos of others like these {people}, at most {asked} are called fake or likely "
            "fake on average."
        )
    else:
        first = (
            f"These {people} are too few to promise that at most {asked} of genuine videos are called fake "
            f"or likely fake: it takes {needed_people(promise.false_alarms)}. None is below the shipped one."
        )
    return f"{first} With a confidence of {100.0 * promise.confidence:.0f} % it is between {low} and {high}."


def _next(written: Path) -> str:
    command = shlex.join(["outofsync", "models", "build", "--calibration", str(written)])
    return (
        "nothing has changed yet; next, on the machine that serves: the same command with --resume "
        f"--promote; or step by step: {command}"
    )


def _asked_once_more(client: Client, clip: Path, options: Mapping[str, Any]) -> str:
    """Which calibration the server says it judges by."""
    ensemble = client.detect(clip, **options).models.get("ensemble") or {}
    return f"the server judges by the calibration {printable(str(ensemble.get('calibration')))}"
