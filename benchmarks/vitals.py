"""What a server's processes hold, and whether it grows.

Memory is the proportional set size: pages that several processes share count once between them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.report import median
from outofsync_client.management import Management
from outofsync_client.protocol import NODES, model_of
from serving.state import StateFolder

MB = 1e6
FLAT_MB_PER_HOUR = 10.0  # less than this is a quarter of a gigabyte a day: a restart a month is no burden
BLOCKS = 30  # neighbouring samples resemble each other; medians of so many blocks do so less
FEWEST_BLOCKS = 6
UNKNOWN = "too short to tell"
SHORTEST_S = 600.0  # what grows meanwhile may be no more than caches that fill


@dataclass(frozen=True)
class Vitals:
    """One process and its descendants: memory in MB, threads, file descriptors."""

    pid: int
    pss_mb: float
    rss_mb: float
    threads: int
    descriptors: int

    @classmethod
    def of(cls, pid: int) -> Vitals | None:
        """None where the process has ended; children may come and go meanwhile."""
        pss = rss = 0.0
        threads = descriptors = 0
        try:
            process = psutil.Process(pid)
            family = [process, *(process.children(recursive=True) if _has_helpers(process) else [])]
        except psutil.Error:
            return None
        for member in family:
            with suppress(psutil.Error):
                memory = member.memory_full_info()
                pss, rss = pss + memory.pss / MB, rss + memory.rss / MB
                threads, descriptors = threads + member.num_threads(), descriptors + member.num_fds()
        return cls(pid, round(pss, 2), round(rss, 2), threads, descriptors) if pss else None


def _has_helpers(process: psutil.Process) -> bool:
    """Whether its children are its own (decoders of a worker) rather than parts of the server."""
    return any("model_service_worker" in word for word in process.cmdline())


def parts(folder: StateFolder, gateway: int | None = None) -> dict[str, int]:
    """Process ids of a ready server by what they are: supervisor, java, and the workflow's workers."""
    state = folder.server()
    if state is None:
        return {}
    found = {"supervisor": state.pid, "java": folder.processes()[1].pid}
    with Management(state.management_url, state.management_token) as management:
        for name in NODES:
            loaded = management.version(model_of(name))
            for number, worker in enumerate(loaded.workers if loaded else ()):
                found[f"{name} {number + 1}" if number else name] = worker.pid
    return found if gateway is None else {**found, "gateway": gateway}


def vitals(processes: Mapping[str, int]) -> dict[str, Vitals]:
    """Of each part that still runs."""
    return {name: found for name, pid in processes.items() if (found := Vitals.of(pid))}


def temporary(folder: StateFolder) -> dict[str, float]:
    """How many files lie in a server's temporary folder, and how many MB they take."""
    count, size = 0, 0
    for path in Path(folder.temporary_link).resolve().rglob("*"):
        with suppress(FileNotFoundError):  # files come and go
            if path.is_file():
                count, size = count + 1, size + path.stat().st_blocks * 512
    return {"files": count, "mb": round(size / MB, 3)}


@dataclass(frozen=True)
class Trend:
    """Growth per hour: the Theil-Sen slope and its 95 % interval."""

    slope: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        if self.high <= FLAT_MB_PER_HOUR:
            return "flat"
        return "grows" if self.low > FLAT_MB_PER_HOUR else UNKNOWN


def trend(seconds: Sequence[float], values: Sequence[float]) -> Trend | None:
    """The median of all slopes between two blocks of samples, which a few odd samples do not move.

    Its interval takes the ranks that Kendall's statistic gives. None where there is too little to go by.
    """
    size = max(1, math.ceil(len(values) / BLOCKS))
    starts = range(0, len(values) - size + 1, size)
    times = [median(seconds[start : start + size]) / 3600.0 for start in starts]
    levels = [median(values[start : start + size]) for start in starts]
    count = len(times)
    if count < FEWEST_BLOCKS or seconds[-1] - seconds[0] < SHORTEST_S:
        return None
    slopes = sorted(
        (levels[later] - levels[earlier]) / (times[later] - times[earlier])
        for earlier in range(count)
        for later in range(earlier + 1, count)
    )
    spread = 1.96 * math.sqrt(count * (count - 1) * (2 * count + 5) / 18.0)
    low = max(0, math.floor((len(slopes) - spread) / 2.0))
    high = min(len(slopes) - 1, math.ceil((len(slopes) + spread) / 2.0))
    return Trend(median(slopes), slopes[low], slopes[high])
