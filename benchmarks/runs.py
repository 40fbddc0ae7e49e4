"""Runs of ``outofsync-cluster`` to measure: what they wrote, how fast, and what their driver held."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq

from benchmarks.report import median

WATCHED_EVERY_S = 1.0
WRITE_EVERY_S = 5.0  # of the runs: how fine their progress is known
SHARE = 0.2  # of the last half, at its beginning and at its end, is compared
MB = 1e6


@dataclass
class Run:
    """A run that came to its end: when how many rows were there, and the driver's own memory in MB."""

    seconds: float = 0.0
    summary: dict[str, Any] = field(default_factory=dict)
    rows: list[tuple[float, int]] = field(default_factory=list)
    memory_mb: list[tuple[float, float]] = field(default_factory=list)

    @property
    def per_s(self) -> float:
        """Videos a second from end to end, the start of Ray and of the engines included."""
        return self.rows[-1][1] / self.seconds

    def steady_per_s(self, until: int | None = None) -> float | None:
        """The same between the first part and the last, or the last before so many rows."""
        seen = [(at, count) for at, count in self.rows if count and (until is None or count <= until)]
        if len(seen) < 2 or seen[-1][1] == seen[0][1]:
            return None
        return (seen[-1][1] - seen[0][1]) / (seen[-1][0] - seen[0][0])

    def growth(self) -> float | None:
        """By what share the driver's memory grew over the last half of its videos; None for a short run."""
        half = self.rows[-1][1] / 2
        began = next(at for at, count in self.rows if count >= half)
        held = [value for at, value in self.memory_mb if began <= at <= self.rows[-1][0]]
        few = int(len(held) * SHARE)
        return median(held[-few:]) / median(held[:few]) - 1 if few else None

    def to_dict(self) -> dict[str, Any]:
        steady, growth = self.steady_per_s(), self.growth()
        return {
            "videos": self.rows[-1][1],
            "seconds": round(self.seconds, 3),
            "videos_per_s": round(self.per_s, 4),
            "steady_videos_per_s": steady and round(steady, 4),
            "driver_mb": [
                round(value, 1) for _, value in self.memory_mb[:: max(1, len(self.memory_mb) // 60)]
            ],
            "driver_growth": growth if growth is None else round(growth, 5),
            "cpu_s": self.summary["cpu_s"],
            "bytes_read": self.summary["bytes_read"],
            "peak_bytes": self.summary["peak_bytes"],
        }


def command(source: str, output: Path, weights: Path, *more: str) -> list[str]:
    """The words of a run."""
    words = ["--output-dir", str(output), "--checkpoints", str(weights), "--quiet", *more]
    return [sys.executable, "-m", "outofsync_cluster.cli", source, *words]


def nothing(rows: int) -> None:
    """Done while a run goes on, unless more is asked for."""


def watched(words: Sequence[str], output: Path, meanwhile: Callable[[int], None] = nothing) -> Run:
    """Carry a run out; ``meanwhile`` hears how many rows are there. Raises RuntimeError where it fails."""
    run, counts = Run(), dict[Path, int]()
    start = time.perf_counter()
    with (output.parent / f"{output.name}.log").open("w") as log:
        process = psutil.Popen([*words, "--write-every", str(WRITE_EVERY_S)], stdout=log, stderr=log)
        try:
            while True:
                try:
                    ended = process.wait(WATCHED_EVERY_S) is not None
                except (psutil.TimeoutExpired, subprocess.TimeoutExpired):
                    ended = False
                at = time.perf_counter() - start
                rows = written(output, counts)
                if not run.rows or rows != run.rows[-1][1]:
                    run.rows.append((at, rows))
                if ended:
                    break
                run.memory_mb.append((at, process.memory_full_info().uss / MB))
                meanwhile(rows)
        finally:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                process.kill()
                process.wait()
    if process.returncode != 0:
        raise RuntimeError(f"the run failed: {Path(log.name).read_text()[-1000:]}")
    run.seconds = time.perf_counter() - start
    run.summary = json.loads((output / "summary.json").read_text())
    return run


def written(output: Path, counts: dict[Path, int]) -> int:
    """Rows in the parts that count; ``counts`` remembers those of earlier calls."""
    for part in (output / "sources").glob("part-*.parquet"):
        if part not in counts:
            counts[part] = pq.read_metadata(part).num_rows
    return sum(counts.values())


def results_of(output: Path) -> list[dict[str, Any]]:
    """All lines."""
    return [
        json.loads(line)
        for part in (output / "results").glob("*.jsonl")
        for line in part.read_text().splitlines()
    ]


def compared(output: Path, wanted: Mapping[str, str], known: Mapping[str, Any]) -> dict[str, int]:
    """How many of the wanted contents (paths by SHA-256) are lost, there twice, or not as they are known."""
    lines = Counter[str]()
    unequal = 0
    for result in results_of(output):
        sha256 = result.pop("sha256")
        lines[sha256] += 1
        result.pop("uri")
        if sha256 in known:
            unequal += timeless(result) != timeless(known[sha256])
    rows = Counter(pq.read_table(output / "videos", columns=["sha256"]).column("sha256").to_pylist())
    places = Counter(pq.read_table(output / "sources", columns=["uri"]).column("uri").to_pylist())
    return {
        "lost": sum(not (lines[sha256] and rows[sha256] and places[path]) for sha256, path in wanted.items()),
        "doubled": sum(count > 1 for found in (lines, rows, places) for count in found.values()),
        "foreign": sum(sha256 not in wanted for sha256 in rows),
        "compared": sum(sha256 in known for sha256 in lines),
        "unequal": unequal,
    }


def timeless(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result without what depends on the clock."""
    return {name: value for name, value in result.items() if name != "timing_ms"}
