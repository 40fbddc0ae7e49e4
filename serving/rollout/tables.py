"""Tables and sentences about versions of the pipeline, for people at a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from outofsync_client.reports.wording import number, percent, printable, verdict_words
from serving.rollout import Comparison, DescribedNode, VersionSummary

ROLE_STYLES = {"promoted": "bold green", "canary": "yellow", "shadow": "yellow", "built": "bright_black"}


def version_table(versions: Iterable[VersionSummary]) -> Table:
    """Every version, and what it does."""
    table = Table()
    for name in ("version", "part", "deblur", "ensemble", "loaded"):
        table.add_column(name, no_wrap=True)
    for one in versions:
        loaded = {True: "ready", False: "not ready", None: "-"}[one.ready]
        table.add_row(
            one.version, Text(_part(one), ROLE_STYLES.get(one.role, "")), one.deblur, one.ensemble, loaded
        )
    return table


def _part(one: VersionSummary) -> str:
    """What a version does, in words."""
    if one.role == "canary":
        return f"canary, {percent(one.share)} of requests"
    if one.role == "shadow":
        return f"shadow, judges {percent(one.share)} again"
    return one.role


def node_table(nodes: Iterable[DescribedNode]) -> Table:
    """A version's part at each node: archives, processes, and what waits for them."""
    table = Table()
    for name in ("node", "version", "archive", "workers", "waiting"):
        table.add_column(name)
    for one in nodes:
        workers = ", ".join(f"{worker.pid} {worker.status.lower()}" for worker in one.workers or ())
        archive = f"[bold red]{escape(one.problem)}" if one.problem else f"{one.archive} ({one.sha256[:12]}…)"
        waiting = "-" if one.queued is None else str(one.queued)
        table.add_row(one.node, one.version, archive, workers or "not loaded", waiting)
    return table


def comparison_table(comparison: Comparison) -> Table:
    """What either version found in each file."""
    table = Table()
    for name in ("file", comparison.promoted, comparison.candidate, "difference"):
        table.add_column(name)
    for pair in comparison.pairs:
        predictions = [
            f"{verdict_words(side.verdict)}, {percent(side.probability_fake)}"
            for side in (pair.promoted, pair.candidate)
        ]
        style = "" if pair.agrees else "bold yellow"
        table.add_row(Text(printable(pair.file), style), *predictions, number(pair.difference))
    return table


def comparison_summary(comparison: Comparison) -> str:
    """How far two versions agree, in a sentence."""
    count = len(comparison.pairs)
    if not count:
        return (
            "nothing was compared yet: name files, or send shadow traffic (outofsync models canary --shadow)"
        )
    words = f"{comparison.agreeing} of {count} verdicts agree"
    if differences := comparison.differences:
        mean = sum(differences) / len(differences)
        words += f"; probabilities differ by {mean:.3f} on average, {max(differences):.3f} at most"
    return words
