"""Does it stay as it is? A server and its gateway under moderate load for as long as one likes.

    python -m benchmarks.soak [--minutes 60] [--clients 2] [--busy 0.25] [--json FILE]

Callers send the samples with all kinds of options, broken files among them, and hang up. Every ten seconds
the memory, threads and file descriptors of each process are noted, and what lies in the temporary folder.
Memory is called flat where its growth, after warming up, is surely less than a few MB an hour.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from archives.build import build
from benchmarks.callers import OPTIONS, Call, Callers
from benchmarks.engine import CHECKPOINTS
from benchmarks.report import parser, percentile, print_table, write_json
from benchmarks.vitals import UNKNOWN, Trend, Vitals, parts, temporary, trend, vitals
from outofsync_client import Client
from outofsync_client.protocol import LOOPBACK
from serving.lifecycle import running
from serving.settings import ROOT, ServerSettings
from serving.state import StateFolder

FILES = tuple(ROOT / "samples" / f"{name}.mp4" for name in ("synchronised", "another_voice", "shifted"))
PICTURE = ROOT / "results" / "bench" / "soak.png"
WARM_UP = 0.2  # this share of the time, caches fill and heaps find their size
START_S = 60.0
WRITTEN_EVERY = 30  # samples, so that a run that is cut short is not for nothing


@dataclass(frozen=True)
class Sample:
    """What was there at one moment, in seconds since the start."""

    at_s: float
    parts: dict[str, Vitals]
    temporary: dict[str, float]


@dataclass(frozen=True)
class Soak:
    """What a run noted."""

    samples: list[Sample]
    calls: list[Call]

    def series(self, part: str, name: str) -> tuple[list[float], list[float]]:
        """Times and values of one measure of one part."""
        having = [sample for sample in self.samples if part in sample.parts]
        return [one.at_s for one in having], [float(getattr(one.parts[part], name)) for one in having]

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys(name for sample in self.samples for name in sample.parts))

    def trends(self) -> dict[str, Trend | None]:
        """Growth of each part's memory (MB an hour) after warming up."""
        begin = WARM_UP * self.samples[-1].at_s
        found = {}
        for name in self.names:
            points = [point for point in zip(*self.series(name, "pss_mb"), strict=True) if point[0] >= begin]
            found[name] = trend([at for at, _ in points], [value for _, value in points])
        return found

    def restarts(self) -> dict[str, int]:
        """How often another process took a part's place."""
        return {
            name: len({sample.parts[name].pid for sample in self.samples if name in sample.parts}) - 1
            for name in self.names
        }


@contextmanager
def gateway(state: Path) -> Iterator[tuple[str, int]]:
    """A gateway before a server, for anybody on this machine: its URL and process id."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port = str(probe.getsockname()[1])
    command = [sys.executable, "-m", "gateway", "--state", str(state), "--no-keys", "--port", port]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://{LOOPBACK}:{port}"
        with Client(url, api_key="anyone") as client:
            client.wait_until_ready(START_S)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait()


@contextmanager
def deployment(store: Path | None) -> Iterator[tuple[StateFolder, str, int]]:
    """A server with its gateway: the state folder, the gateway's URL and process id."""
    with tempfile.TemporaryDirectory(prefix="outofsync-soak-") as folder:
        if store is None:
            store = Path(folder) / "model_store"
            build(CHECKPOINTS, store)
        settings = ServerSettings(state=Path(folder) / "state", model_store=store, plain_models=False)
        with running(settings), gateway(settings.state) as (url, pid):
            yield StateFolder(settings.state), url, pid


def watch(
    folder: StateFolder,
    callers: Callers,
    gateway_pid: int,
    *,
    end_s: float,
    every_s: float,
    json: Path | None,
) -> Soak:
    """Take samples until the time is over; the numbers so far are written every few minutes."""
    soak = Soak([], callers.calls)
    started = time.monotonic()
    while (now := time.monotonic() - started) < end_s:
        found = vitals(parts(folder, gateway_pid))
        soak.samples.append(Sample(round(now, 2), found, temporary(folder)))
        if len(soak.samples) % WRITTEN_EVERY == 0:
            write_json(json, results(soak))
        time.sleep(max(0.0, every_s * len(soak.samples) - (time.monotonic() - started)))
    return soak


def report(soak: Soak) -> None:
    """Print what came out."""
    trends, restarts = soak.trends(), soak.restarts()
    rows = []
    for name in soak.names:
        first, last = (soak.series(name, "pss_mb")[1][place] for place in (0, -1))
        found = trends[name]
        cells: list[object] = []
        if found:
            cells = [f"{found.slope:+.1f} ({found.low:+.1f} … {found.high:+.1f})", found.verdict]
        threads, descriptors = (soak.series(name, measure)[1] for measure in ("threads", "descriptors"))
        counts = [f"{values[0]:.0f} → {values[-1]:.0f}" for values in (threads, descriptors)]
        rows.append([name, first, last, *(cells or [None, UNKNOWN]), *counts, restarts[name]])
    print_table(
        f"After {soak.samples[-1].at_s / 60:.1f} minutes and {len(soak.calls)} requests",
        ["process", "MB first", "MB last", "MB/hour (95 %)", "memory", "threads", "descriptors", "restarts"],
        rows,
    )
    files = [sample.temporary["files"] for sample in soak.samples]
    print(f"\ntemporary files: {files[0]:.0f} at first, {max(files):.0f} at most, {files[-1]:.0f} at last")
    print_table(
        "What callers saw",
        ["kind", "requests", "p50 s", "p95 s", "max s", "outcomes"],
        [_calls_row(kind, [call for call in soak.calls if call.kind == kind]) for kind in _kinds(soak)],
    )
    odd = Counter(f"{call.kind}: {call.outcome}" for call in soak.calls if not call.expected)
    print(f"\nunexpected outcomes: {', '.join(f'{name} x {n}' for name, n in odd.items()) or 'none'}")


def _kinds(soak: Soak) -> list[str]:
    return sorted({call.kind for call in soak.calls})


def _calls_row(kind: str, calls: Sequence[Call]) -> list[object]:
    took = [call.seconds for call in calls]
    outcomes = Counter(call.outcome for call in calls)
    told = ", ".join(f"{name} {count}" for name, count in outcomes.most_common())
    return [kind, len(calls), percentile(took, 0.5), percentile(took, 0.95), max(took), told]


def draw(soak: Soak, picture: Path) -> None:
    """Memory, threads, descriptors and latency over time, under each other."""
    figure = Figure(figsize=(10, 11), layout="constrained")
    axes = figure.subplots(4, 1, sharex=True)
    shown = (("pss_mb", "memory (PSS), MB"), ("threads", "threads"), ("descriptors", "file descriptors"))
    for axis, (measure, label) in zip(axes, shown, strict=False):
        for name in soak.names:
            times, values = soak.series(name, measure)
            axis.plot([at / 60 for at in times], values, label=name, linewidth=1.2)
        axis.set_ylabel(label)
        axis.set_ylim(bottom=0)
    for kind in _kinds(soak):
        calls = [call for call in soak.calls if call.kind == kind]
        axes[3].plot([call.at_s / 60 for call in calls], [call.seconds for call in calls], ".", label=kind)
    axes[3].set_ylabel("seconds to the answer")
    axes[3].set_xlabel("minutes")
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    for axis in (axes[0], axes[3]):
        axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=130)


def results(soak: Soak) -> dict[str, Any]:
    """As JSON has it."""
    trends = {
        name: found and {**asdict(found), "verdict": found.verdict} for name, found in soak.trends().items()
    }
    return {"mb_per_hour": trends, "restarts": soak.restarts(), **asdict(soak)}


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser("Keep a server moderately busy and watch what it holds.")
    options.add_argument("--minutes", type=float, default=60.0)
    options.add_argument("--clients", type=int, default=2)
    options.add_argument("--busy", type=float, default=0.25, help="share of its time that a client waits")
    options.add_argument("--every", type=float, default=10.0, help="seconds between samples")
    options.add_argument("--model-store", type=Path, help="archives to serve (default: built anew)")
    options.add_argument("--picture", type=Path, help="default: beside the numbers, or in results/bench")
    chosen = options.parse_args(arguments)
    picture = chosen.picture or (chosen.json.with_suffix(".png") if chosen.json else PICTURE)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the server is stopped then, too
    with (
        deployment(chosen.model_store) as (folder, url, gateway_pid),
        Callers(url, FILES, chosen.clients, chosen.busy, OPTIONS) as callers,
    ):
        soak = watch(
            folder,
            callers,
            gateway_pid,
            end_s=60.0 * chosen.minutes,
            every_s=chosen.every,
            json=chosen.json,
        )
    report(soak)
    draw(soak, picture)
    print(f"\ncurves: {picture}")
    write_json(chosen.json, results(soak))


if __name__ == "__main__":
    main()
