"""The command line ``outofsync-cluster``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from outofsync.errors import OutOfSyncError
from outofsync.options import Options
from outofsync_client.cli.options import options_among, with_options
from outofsync_client.cli.server import KEY_VARIABLE, TOKEN_VARIABLE, URL_VARIABLE
from outofsync_cluster.benchmarking import collection, lines, tables
from outofsync_cluster.cost import Prices
from outofsync_cluster.errors import ClusterError, reason_of
from outofsync_cluster.inventory import Inventory
from outofsync_cluster.layouts import LAYOUTS
from outofsync_cluster.near_duplicates import TABLE_FILE
from outofsync_cluster.planning import SAMPLE, SPOKEN, held_against, predict, write_plan
from outofsync_cluster.run import PART_S, Plan, listed, score

USAGE = 2  # exit status for what cannot be begun or gone on with


@click.command()
@click.argument("source", metavar="FOLDER|MANIFEST|URL")
@click.option("--output-dir", required=True, help="Folder or URL for tables, JSON lines and the report.")
@click.option("--backend", type=click.Choice(["engine", "served"]), default="engine", show_default=True)
@click.option("--url", multiple=True, envvar=URL_VARIABLE, help="Server to ask; may be given several times.")
@click.option("--api-key", envvar=KEY_VARIABLE, help="Key of the edge.")
@click.option("--token", envvar=TOKEN_VARIABLE, help="TorchServe's inference token, to ask it directly.")
@click.option("--address", help="Ray cluster to join, or auto. [default: one on this machine]")
@click.option("--endpoint", help="Storage server with the S3 API, as http://host:port.")
@click.option(
    "--checkpoints",
    type=click.Path(path_type=Path),
    default="checkpoints",
    show_default=True,
    help="Folder of the weights; they travel to the nodes.",
)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Cores of one actor.")
@click.option("--cores", type=click.IntRange(1), help="Cores of this machine to use. [default: all]")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option(
    "--split", is_flag=True, help="Decode and crop in actors of their own, as is done for a graphics card."
)
@click.option(
    "--write-every",
    "write_every_s",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=PART_S,
    show_default=True,
    help="Longest that a result waits to be written, which is what a crash may cost.",
)
@click.option(
    "--near-duplicates",
    type=click.Choice(["report", "skip"]),
    default="report",
    show_default=True,
    help="Judge them all and list them, or judge one of those that differ in next to nothing.",
)
@click.option("--retry-failed", is_flag=True, help="Try videos again that failed for good before.")
@click.option("--metrics-port", type=click.IntRange(1, 65535), help="Port for Prometheus, on loopback.")
@click.option("--price-per-core-hour", type=click.FloatRange(min=0), default=0.0, help="For the summary.")
@click.option("--price-per-gpu-hour", type=click.FloatRange(min=0), default=0.0, help="For the summary.")
@click.option("--dry-run", is_flag=True, help="Say what would be read and written, and do nothing.")
@click.option("--plan", is_flag=True, help="Measure a sample, and say what the whole will take.")
@click.option(
    "--plan-sample",
    type=click.IntRange(1),
    default=SAMPLE,
    show_default=True,
    help="Videos that --plan measures.",
)
@click.option(
    "--benchmark",
    type=click.Choice(sorted(LAYOUTS)),
    help="The folder is this public collection: print its tables, too.",
)
@click.option("--quiet", is_flag=True, help="Print the summary alone.")
@with_options
def cli(**choices: Any) -> None:
    """Score a folder, a list or a bucket of videos, on this machine or on a Ray cluster.

    The same command goes on where it was interrupted. A list is a .txt, .csv, .jsonl or .parquet file.
    """
    try:
        if choices["benchmark"] is None:
            _carry_out(_plan(choices), choices)
            return
        with collection(choices["benchmark"], choices["source"]) as found:
            plan = _plan({**choices, "source": found.manifest})
            _carry_out(plan, choices)
            if not (choices["dry_run"] or choices["plan"]):
                for line in lines(tables(found, plan.storage.place(plan.output))):
                    click.echo(line)
    except (ClusterError, OutOfSyncError) as error:
        click.echo(f"outofsync-cluster: {error}", err=True)
        sys.exit(USAGE)
    except OSError as error:  # of the report, or of the folder for temporary files
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"outofsync-cluster: {where}{reason_of(error)}", err=True)
        sys.exit(USAGE)


def _carry_out(plan: Plan, choices: dict[str, Any]) -> None:
    if choices["dry_run"]:
        listed(plan, lambda inventory: _tell(plan, inventory))
    elif choices["plan"]:
        _foretell(plan, choices["plan_sample"])
    else:
        _print(score(plan), plan)


def _plan(choices: dict[str, Any]) -> Plan:
    asked = {name: value for name, value in options_among(choices).items() if value is not None}
    server = None
    if choices["backend"] == "served":
        if not choices["url"]:
            raise ClusterError("--backend served needs --url, the address of a server")
        if choices["api_key"] and choices["token"]:
            raise ClusterError("pass --api-key (to the edge) or --token (to TorchServe itself), not both")
        server = {"url": list(choices["url"]), "token": choices["token"], "api_key": choices["api_key"]}
    if server is not None and choices["near_duplicates"] == "skip":
        raise ClusterError("--near-duplicates skip needs --backend engine: servers tell of no hashes")
    return Plan(
        skip_copies=choices["near_duplicates"] == "skip",
        source=choices["source"],
        output=choices["output_dir"],
        options=Options.from_dict(asked).to_dict(),
        server=server,
        prices=Prices(choices["price_per_core_hour"], choices["price_per_gpu_hour"]),
        **{
            name: choices[name]
            for name in (
                *("checkpoints", "address", "endpoint", "threads", "device", "split", "retry_failed"),
                "write_every_s",
                *("quiet", "metrics_port", "cores"),
            )
        },
    )


def _tell(plan: Plan, inventory: Inventory) -> None:
    click.echo(
        f"would read {inventory.count} videos, {inventory.size_bytes / 1e6:.1f} MB, from {plan.source}"
    )
    if inventory.problems:
        click.echo(f"{inventory.problems} of them cannot be read:")
        for item in inventory:
            if item.problem:
                click.echo(f"  {item.uri}: {item.problem}")
    click.echo(f"would write tables, JSON lines and a report to {plan.storage.place(plan.output).uri}")
    click.echo(f"options: {json.dumps(plan.options)}")


def _foretell(plan: Plan, sample: int) -> None:
    found = predict(plan, sample=sample)
    for name, value in found.lines():
        click.echo(f"{name:20} {value}")
    folder = plan.storage.place(plan.output)
    write_plan(folder, found)
    click.echo(f"written to {folder.uri}; the run will say how near it came")


def _print(summary: dict[str, Any], plan: Plan) -> None:
    for verdict, count in sorted(summary["verdicts"].items()):
        click.echo(f"{verdict:20} {count}")
    for code, count in sorted(summary["error_codes"].items()):
        click.echo(f"error: {code:13} {count}")
    click.echo(
        f"{summary['videos']} judged, {summary['errors']} failed, {summary['duplicates']} met again, "
        f"{summary['known']} done before"
    )
    if summary["near_duplicates"]:
        click.echo(f"near-duplicates: {summary['near_duplicates']}, listed in {TABLE_FILE}")
    for name, value in summary["cost"].items():
        click.echo(f"{name}: {value}")
    for name, one in held_against(plan.storage.place(plan.output), summary).items():
        change = one["took"] / one["planned"] - 1
        click.echo(f"{SPOKEN[name]}: {one['took']:,.1f}, planned {one['planned']:,.1f} ({change:+.0%})")
    click.echo(f"written to {plan.storage.place(plan.output).uri}")


if __name__ == "__main__":
    cli()
