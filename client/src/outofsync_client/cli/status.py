"""``outofsync health`` and ``serve-status``: what a server says of itself, and has done since it started."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Optional

import click
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from outofsync_client._base import Health
from outofsync_client._client import Client
from outofsync_client._exceptions import OutOfSyncError
from outofsync_client._metrics import Metrics
from outofsync_client.cli.display import EXIT_ERROR, EXIT_REAL, STYLES
from outofsync_client.cli.options import client_of, with_server
from outofsync_client.reports.wording import percent, verdict_words

VERDICTS, ERRORS = "outofsync_verdicts_total", "outofsync_errors_total"
PROBE = "empty_file"  # what every look at the server's health sends, and has refused


@dataclass(frozen=True)
class Served:
    """Which version serves, and by whom, as the package that serves describes it."""

    promoted: str
    canary: Optional[Any]  # serving.rollout.Canary
    nodes: tuple[Any, ...]  # of serving.rollout.DescribedNode


@dataclass(frozen=True)
class Counts:
    """Since the server started: videos by verdict, and errors by code but for its own probes'."""

    verdicts: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, metrics: Metrics) -> Counts:
        return cls(_counted(metrics, VERDICTS, "Verdict"), _counted(metrics, ERRORS, "Code"))


@dataclass(frozen=True)
class Status:
    """What is known of a server; only a server of this machine shows what serves, and its counts."""

    url: str
    health: Health
    served: Optional[Served] = None
    counts: Optional[Counts] = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@click.command("serve-status")
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


@click.command()
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


def status_of(client: Client) -> Status:
    """Look at a server; raises an :class:`OutOfSyncError` where it does not answer."""
    health = client.health()
    try:
        models, metrics = client.models, client.metrics()
    except ValueError:
        return Status(client.url, health)
    record = models.record()
    served = Served(record.promoted, record.canary, tuple(models.describe(record.promoted).nodes))
    return Status(client.url, health, served, Counts.of(metrics))


def shown(status: Status) -> RenderableType:
    """The status for people."""
    health = status.health
    ready = Text("ready", "bold green") if health.ready else Text(f"not ready: {health.problem}", "bold red")
    lines: list[RenderableType] = [
        Text.assemble(f"{status.url}: {health.status}, ", ready, f" ({health.seconds:.2f} s)")
    ]
    if status.served is not None:
        lines += [_serves(status.served), _workers(status.served)]
    if status.counts is not None:
        lines += _sums(status.counts)
    return Group(*lines)


def _serves(served: Served) -> str:
    words = f"version {served.promoted} serves"
    if (canary := served.canary) is not None:
        does = "judges again" if canary.shadow else "answers"
        words += f"; {canary.pipeline} {does} {percent(canary.share)} of the gateway's requests"
    return words


def _workers(served: Served) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("node", "version", "workers", "waiting"):
        table.add_column(name)
    for node in served.nodes:
        workers = ", ".join(f"{worker.pid} {worker.status.lower()}" for worker in node.workers or ())
        waiting = "-" if node.queued is None else str(node.queued)
        table.add_row(node.node, node.version, workers or "not loaded", waiting)
    return table


def _sums(counts: Counts) -> Iterator[Text]:
    judged = Text(f"judged since it started: {sum(counts.verdicts.values())}")
    for verdict, count in counts.verdicts.items():
        judged.append(f"  {verdict_words(verdict)} {count}", STYLES.get(verdict, ""))
    yield judged
    yield Text(
        f"refused or failed: {sum(counts.errors.values())}"
        + "".join(f"  {code} {count}" for code, count in counts.errors.items())
    )


def _counted(metrics: Metrics, name: str, label: str) -> dict[str, int]:
    found = metrics.by(name, label)
    return {value: int(count) for value, count in sorted(found.items()) if value != PROBE}
