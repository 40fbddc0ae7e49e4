"""How a run goes: counts, a bar in the terminal, and metrics under the server's names."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client import Counter as Metric
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from outofsync_cluster.errors import ClusterError
from outofsync_cluster.rows import ErrorRow, Row, SourceRow, VideoRow

SLOWEST = 10  # that a report names


@dataclass
class Tally:
    """What a run has come to."""

    verdicts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    known: int = 0  # done by an earlier run
    duration_s: float = 0.0
    cpu_s: float = 0.0
    gpu_s: float = 0.0
    bytes_read: int = 0
    peak_bytes: int = 0
    slowest: list[tuple[float, str]] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def add(self, row: Row) -> None:
        """Count a video, an error, or a place where a video was met again."""
        if isinstance(row, SourceRow):
            self.duplicates += 1
        elif isinstance(row, ErrorRow):
            self.errors[row.code] += 1
        elif isinstance(row, VideoRow):
            self.verdicts[row.verdict] += 1
            self.duration_s += row.duration_s
            self.cpu_s += row.cpu_s
            self.gpu_s += row.gpu_s
            self.bytes_read += row.bytes_read
            self.peak_bytes = max(self.peak_bytes, row.peak_bytes)
            self.slowest = sorted([*self.slowest, (row.wall_s, row.uri)], reverse=True)[:SLOWEST]

    @property
    def judged(self) -> int:
        return sum(self.verdicts.values())

    def summary(self) -> dict[str, Any]:
        """The same as plain JSON types, with rates."""
        passed = time.monotonic() - self.started
        return {
            "videos": self.judged,
            "errors": sum(self.errors.values()),
            "duplicates": self.duplicates,
            "known": self.known,
            "verdicts": dict(self.verdicts),
            "error_codes": dict(self.errors),
            "seconds": round(passed, 3),
            "video_s": round(self.duration_s, 3),
            "cpu_s": round(self.cpu_s, 3),
            "gpu_s": round(self.gpu_s, 3),
            "bytes_read": self.bytes_read,
            "peak_bytes": self.peak_bytes,
            "slowest": [{"uri": uri, "wall_s": round(seconds, 3)} for seconds, uri in self.slowest],
        }


class Exported:
    """The same counts for Prometheus, under the names that servers use."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        kwargs: dict[str, Any] = {"registry": self.registry}
        self._requests = Metric("outofsync_requests_total", "Videos that were judged or failed.", **kwargs)
        self._verdicts = Metric("outofsync_verdicts_total", "Verdicts.", ["Verdict"], **kwargs)
        self._reasons = Metric("outofsync_abstentions_total", "Reasons of no verdict.", ["Reason"], **kwargs)
        self._errors = Metric("outofsync_errors_total", "Errors.", ["Code", "Stage"], **kwargs)

    def serve(self, port: int) -> None:
        """Answer on this port. Raises :class:`ClusterError` where it is taken."""
        try:
            start_http_server(port, addr="127.0.0.1", registry=self.registry)
        except OSError as error:
            raise ClusterError(f"port {port} cannot be used for metrics: {error.strerror}") from None

    def add(self, row: Row) -> None:
        """Count a video or an error; what was met again has cost nothing."""
        if isinstance(row, SourceRow):
            return
        self._requests.inc()
        if isinstance(row, ErrorRow):
            self._errors.labels(row.code, row.stage).inc()
        elif isinstance(row, VideoRow):
            self._verdicts.labels(row.verdict).inc()
            for reason in row.reasons if row.verdict == "inconclusive" else ():
                self._reasons.labels(reason).inc()


class Bar:
    """What a terminal shows."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("scoring", total=total, rate="") if progress else None
        self._began = time.monotonic()
        self._done = 0

    def advance(self, number: int) -> None:
        """So many videos more are done."""
        self._done += number
        if self._progress is not None and self._task is not None:
            minutes = max(1e-9, time.monotonic() - self._began) / 60
            self._progress.update(self._task, advance=number, rate=f"{self._done / minutes:.1f} a minute")


@contextmanager
def bar(total: int, *, quiet: bool) -> Iterator[Bar]:
    """A bar with rate and remaining time, on a terminal."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield Bar(None, total)
        return
    columns: Sequence[Any] = (
        *(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
        ),
        *(TimeElapsedColumn(), TimeRemainingColumn()),
    )
    with Progress(*columns, console=console) as progress:
        yield Bar(progress, total)
