"""``outofsync models``: versions of the pipeline, on the machine that serves them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from outofsync_client import OutOfSyncError
from outofsync_client.calibration import Calibration
from outofsync_client.cli.display import EXIT_ERROR, EXIT_REAL
from outofsync_client.cli.options import with_places
from outofsync_client.cli.server import nearest_state
from outofsync_client.protocol import NODES
from outofsync_client.reports.wording import percent, printable, verdict_words
from serving.rollout import MAX_WORKERS, Models
from serving.rollout.inspecting import inspect, is_file_name, sign_file
from serving.rollout.tables import comparison_summary, comparison_table, node_table, version_table
from serving.signing import trust

SHOWN_EVENTS = 10


def _with_models(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which server's versions are meant, and hand the command its ``models``."""

    def run(state: Path | None, model_store: Path | None, **choices: Any) -> int:
        try:
            command(models_at(state, model_store), **choices)
        except OutOfSyncError as error:
            raise click.ClickException(str(error)) from None
        except OSError as error:
            raise click.ClickException(f"{error.filename or ''}: {error.strerror}".lstrip(": ")) from None
        return EXIT_REAL

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__dict__.update(vars(command))  # the options it has already
    decorated: Callable[..., Any] = with_places(run)
    return decorated


def models_at(state: Path | None, model_store: Path | None) -> Models:
    """The versions of the server that these folders belong to, else of the nearest one."""
    return Models(state or nearest_state(Path.cwd()), model_store)


@click.group()
def models() -> None:
    """Roll versions of the pipeline out and back, on the machine that serves them.

    Every step may be repeated, also after it was interrupted.
    """


@models.command("list")
@_with_models
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def list_(models: Models, as_json: bool) -> None:
    """Show every version and who serves what."""
    versions = models.list()
    if as_json:
        click.echo(json.dumps([one.to_dict() for one in versions]))
        return
    Console().print(version_table(versions))
    if any(one.role == "promoted" and one.answers is False for one in versions):
        click.echo("the promoted version does not answer yet: a step was interrupted; repeat it", err=True)


@models.command()
@_with_models
@click.argument("version")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def show(models: Models, version: str, as_json: bool) -> None:
    """Show VERSION in detail: its archives, its processes, what waits for it, its steps."""
    described = models.describe(version)
    if as_json:
        click.echo(json.dumps(asdict(described)))
        return
    Console().print(node_table(described.nodes))
    for event in described.events:
        click.echo(f"{event.at}  {event.step}")


@models.command()
@_with_models
def history(models: Models) -> None:
    """Show the last steps, the newest last."""
    for event in models.record().history[-SHOWN_EVENTS:]:
        click.echo(f"{event.at}  {event.step}  {event.pipeline}")


@models.command()
@_with_models
@click.option(
    "--checkpoint",
    "checkpoints",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="New weights: a file, or a folder of them; again for more.",
)
@click.option(
    "--calibration",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What `outofsync calibrate` wrote, in place of weights: those that judged, with other bands.",
)
@click.option("--version", help="Numbers and dots, like 2.0; a calibration finds one itself.")
@click.option(
    "--project", type=click.Path(path_type=Path), help="The checkout that builds. [default: this one]"
)
def build(
    models: Models,
    checkpoints: tuple[Path, ...],
    calibration: Path | None,
    version: str | None,
    project: Path | None,
) -> None:
    """Make the archives of new weights, or of a calibration, and put them into the model store."""
    if calibration is not None and not checkpoints:
        version = models.build_calibrated(Calibration.read(calibration), version, project=project)
        click.echo(f"built version {version}")
    elif checkpoints and version is not None and calibration is None:
        for name in models.build(checkpoints, version, project=project):
            click.echo(f"built {name}")
    else:
        raise click.UsageError("name new weights (--checkpoint) and their --version, or a --calibration")
    click.echo(f"next: outofsync models register {version}")


@models.command()
@_with_models
@click.argument("what", metavar="VERSION|FILE")
def verify(models: Models, what: str) -> None:
    """Check the archives of VERSION, or one archive or checkpoint: sums, signature, contents.

    Of a FILE, everything that is wrong is said, a sentence each; nothing of it is unpacked or loaded.
    """
    if is_file_name(what):
        found = inspect(Path(what))
        for said in found:
            click.echo(f"{printable(what)}: {said}", err=True)
        if found:
            raise click.exceptions.Exit(EXIT_ERROR)
        click.echo(f"{printable(what)} is as it was built")
    else:
        for node, part in models.verify(what).nodes():
            click.echo(f"{node} {part.version}: {part.archive} is as it was built ({part.sha256[:12]}…)")
    if said := trust():
        click.echo(said)


@models.command()
@_with_models
@click.argument("what", metavar="VERSION|FILE")
def sign(models: Models, what: str) -> None:
    """Sign the archives of VERSION, or one archive or checkpoint, with your key: say that you built them.

    What `make archives` and `outofsync models build` make is signed already.
    """
    for path in [Path(what)] if is_file_name(what) else models.archives(what):
        sign_file(path)
        click.echo(f"signed {printable(str(path))}")


@models.command()
@_with_models
@click.argument("version")
@click.option(
    "--warm",
    "clips",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="A video to judge before anybody depends on it; again for more.",
)
def register(models: Models, version: str, clips: tuple[Path, ...]) -> None:
    """Verify VERSION, load it beside what serves, and warm it. Nobody is answered by it yet."""
    for warm_up in models.register(version, clips=clips):
        click.echo(f"{warm_up.clip}: {verdict_words(warm_up.verdict)} ({warm_up.seconds:.1f} s)")
    click.echo(f"version {version} is loaded; next: outofsync models canary, or promote")


@models.command()
@_with_models
@click.argument("version", required=False)
@click.option("--share", type=click.FloatRange(0, 1), default=1.0, show_default=True, help="Of the requests.")
@click.option("--shadow", is_flag=True, help="Judge again, for comparison alone: callers hear what serves.")
@click.option("--off", is_flag=True, help="End the trial.")
def canary(models: Models, version: str | None, share: float, shadow: bool, off: bool) -> None:
    """Try VERSION on a share of the gateway's requests."""
    if off == (version is not None):
        raise click.UsageError("name a version, or end the trial with --off")
    models.canary(version, share=share, shadow=shadow)
    if off:
        click.echo("no version is on trial")
    else:
        click.echo(
            f"version {version} {'judges again' if shadow else 'answers'} {percent(share)} of requests"
        )


@models.command()
@_with_models
@click.argument("version")
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def compare(models: Models, version: str, files: tuple[Path, ...], as_json: bool) -> None:
    """Compare VERSION with what serves: on FILES, or in the gateway's shadow traffic."""
    comparison = models.compare(version, files)
    if as_json:
        click.echo(json.dumps(asdict(comparison)))
        return
    if files:
        Console().print(comparison_table(comparison))
    click.echo(comparison_summary(comparison))


@models.command()
@_with_models
@click.argument("version")
def promote(models: Models, version: str) -> None:
    """Let VERSION answer everybody from now on."""
    models.promote(version)
    click.echo(f"version {version} serves; back: outofsync models rollback")


@models.command()
@_with_models
def rollback(models: Models) -> None:
    """Let the version answer that did before the last promotion."""
    models.rollback()
    click.echo(f"version {models.record().promoted} serves")


@models.command()
@_with_models
@click.argument("version")
@click.option("--workers", type=click.IntRange(1, MAX_WORKERS), required=True, help="Processes at each node.")
@click.option("--node", "nodes", type=click.Choice(NODES), multiple=True, help="Only this node.")
def scale(models: Models, version: str, workers: int, nodes: tuple[str, ...]) -> None:
    """Let VERSION have more or fewer worker processes, also after a restart."""
    models.scale(version, workers, nodes=nodes or NODES)
    each = "1 worker" if workers == 1 else f"{workers} workers"
    click.echo(f"version {version} has {each} at {' and '.join(nodes or NODES)}")


@models.command()
@_with_models
@click.argument("version")
@click.option("--wait", type=float, default=600.0, show_default=True, help="Seconds for its last requests.")
def retire(models: Models, version: str, wait: float) -> None:
    """Unload VERSION once its last requests are answered. Its archives stay in the model store."""
    models.retire(version, wait=wait)
    click.echo(f"version {version} is retired")
