"""What serving costs: the workflow under 1 to 16 clients against the engine alone, in one run.

    python -m benchmarks.serving [--clients 1 2 4 8 16] [--seconds 5] [--json FILE]

The engine alone is measured as a plain loop over batches, and pipelined: a process for each worker, each
always given full batches. Shares are of the pipelined engine, measured before and after the most clients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path

from benchmarks import load
from benchmarks.engine import Engine, batch_size
from benchmarks.footage import stored
from benchmarks.report import median, parser, percentile, print_table, write_json
from benchmarks.server import detect_url, mean_batches, metrics_of, served
from outofsync_client.protocol import NODES
from serving.state import ServerState

LEVELS = (1, 2, 4, 8, 16)
SHARE_GOAL = 0.95
ADDED_GOAL_MS = 150.0


@dataclass(frozen=True)
class Level:
    """What a number of clients saw."""

    clients: int
    requests: int
    clips_per_s: float
    p50_s: float
    p95_s: float
    errors: int
    mean_batch: dict[str, float | None]


def clips(seconds: float) -> tuple[Path, ...]:
    """Four files of about this length: no two in a batch are the same."""
    return tuple(stored(seconds * scale) for scale in (0.94, 0.98, 1.02, 1.06))


def requests_for(clients: int) -> int:
    """Enough for batches to settle."""
    return max(8, 2 * clients)


def measure(state: ServerState, files: Sequence[Path], clients: int, requests: int) -> Level:
    """Put clients on a server; raises RuntimeError where not a single request was answered."""
    before = metrics_of(state)
    names = tuple(map(str, files))
    answers = load.apply(load.Load(detect_url(state), state.token, names, clients, requests))
    if not answers.latencies_s:
        raise RuntimeError(f"no request was answered: {answers.errors[:1]}")
    return Level(
        clients,
        requests,
        len(answers.latencies_s) / answers.seconds,
        percentile(answers.latencies_s, 0.5),
        percentile(answers.latencies_s, 0.95),
        len(answers.errors),
        mean_batches(before, metrics_of(state)),
    )


def engine_rates(engine: Engine, data: Sequence[bytes], batch: int) -> dict[str, float]:
    """Clips per second of the engine alone."""
    files = list(islice(cycle(data), requests_for(max(LEVELS))))
    few = files[: 2 * batch]  # one batch is like the next where nothing overlaps
    return {
        "loop": len(few) / engine.loop(few, batch).seconds,
        "pipelined": len(files) / engine.pipelined(files, batch).seconds,
    }


def added_latency_ms(state: ServerState, engine: Engine, file: Path, rounds: int) -> dict[str, float]:
    """One request at a time, by turns through the workflow and through the engine alone."""
    alone, through = [], []
    data = file.read_bytes()
    ask = load.Load(detect_url(state), state.token, (str(file),), clients=1, requests=1)
    for _ in range(rounds):
        alone.append(engine.loop([data]).seconds)
        through += load.apply(ask).latencies_s
    engine_ms, workflow_ms = 1e3 * median(alone), 1e3 * median(through)
    return {"engine_ms": engine_ms, "workflow_ms": workflow_ms, "added_ms": workflow_ms - engine_ms}


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser("Measure the workflow under load, and the engine alone.")
    options.add_argument("--clients", type=int, nargs="+", default=LEVELS, help="clients at once")
    options.add_argument("--seconds", type=float, default=5.0, help="length of the clips")
    options.add_argument("--rounds", type=int, default=7, help="of one request at a time")
    chosen = options.parse_args(arguments)
    files = clips(chosen.seconds)
    data = [path.read_bytes() for path in files]
    batch = batch_size()
    with Engine() as engine, served() as state:
        engine.loop(data[:1])  # the first of each kind is slower
        engine.pipelined(data, 1)
        measure(state, files, 1, 1)
        lone = added_latency_ms(state, engine, files[0], chosen.rounds)
        *lower, max_clients = sorted(chosen.clients)
        levels = [measure(state, files, clients, requests_for(clients)) for clients in lower]
        rates = [engine_rates(engine, data, batch)]
        levels.append(measure(state, files, max_clients, requests_for(max_clients)))
        rates.append(engine_rates(engine, data, batch))
    alone = {kind: sum(rate[kind] for rate in rates) / len(rates) for kind in rates[0]}
    report(levels, alone, lone, chosen.seconds, batch)
    once, again = (rate["pipelined"] for rate in rates)
    print(f"the pipelined engine before and after: {once:.3f} and {again:.3f} clips/s")
    results = {"levels": [asdict(level) for level in levels], "engine_clips_per_s": rates, "lone": lone}
    write_json(chosen.json, {"clip_s": chosen.seconds, "batch_size": batch, **results})


def report(
    levels: Sequence[Level], alone: dict[str, float], lone: dict[str, float], seconds: float, batch: int
) -> None:
    """Print what came out, beside the goals."""
    print_table(
        f"The workflow under load, clips of {seconds:g} s at 720p, batches of up to {batch}",
        ["clients", "clips/s", "x real time", "of pipelined", "p50 s", "p95 s", "errors", *_batch_columns()],
        [
            [level.clients, level.clips_per_s, level.clips_per_s * seconds]
            + [f"{level.clips_per_s / alone['pipelined']:.0%}", level.p50_s, level.p95_s, level.errors]
            + [level.mean_batch[node] for node in NODES]
            for level in levels
        ],
    )
    print_table(
        "The engine alone, same files and batches",
        ["as", "clips/s", "of pipelined"],
        [[kind, rate, f"{rate / alone['pipelined']:.0%}"] for kind, rate in alone.items()],
    )
    share = levels[-1].clips_per_s / alone["pipelined"]
    print(f"\nat saturation {share:.0%} of the pipelined engine (goal: at least {SHARE_GOAL:.0%})")
    through, engine, added = (lone[name] for name in ("workflow_ms", "engine_ms", "added_ms"))
    print(
        f"a lone request: {through:.0f} ms through the workflow, {engine:.0f} ms in the engine alone, "
        f"{added:.0f} ms added (goal: at most {ADDED_GOAL_MS:.0f} ms)"
    )


def _batch_columns() -> list[str]:
    return [f"batch {node}" for node in NODES]


if __name__ == "__main__":
    main()
