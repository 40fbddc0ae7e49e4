"""How long a server takes from nothing to ready, and what on.

    python -m benchmarks.start [--rounds 3] [--json FILE]

The server's own phases are those it writes into server.json; what is left of the whole is starting the
process that watches over it. What a worker does meanwhile is repeated in an interpreter of its own, with
nothing else running.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from archives.build import HANDLERS, build
from benchmarks.engine import CHECKPOINTS
from benchmarks.report import median, parser, print_table, write_json
from benchmarks.server import served
from outofsync_client.protocol import NODES

OURS = {"batching", "deblur_handler", "ensemble_handler", "outofsync"}
SHORTEST_MS = 30.0  # imports quicker than this are not worth a line
_IMPORT = re.compile(r"import time:\s+\d+ \|\s+(?P<us>\d+) \| (?P<indent> *)(?P<name>\S+)")

# What TorchServe does in a worker, step by step.
WORKER = """
import json, sys, time
from pathlib import Path
steps, last = {}, time.perf_counter()
def step(name):
    global last
    steps[name], last = 1e3 * (time.perf_counter() - last), time.perf_counter()
import torch; step("torch")
import ts.model_service_worker; step("TorchServe's part")
node, checkpoints = sys.argv[1:]
__import__(node + "_handler"); step("handler and engine")
from outofsync.nodes import DeblurNode, EnsembleNode
from outofsync.faces import RetinaFaceDetector
RetinaFaceDetector(); step("face detector")
kind = DeblurNode if node == "deblur" else EnsembleNode
kind.load(Path(checkpoints), "cpu", {}); step("networks and weights")
steps["networks and weights"] -= steps["face detector"]  # made once more
print(json.dumps([time.time(), steps]))
"""

Phases = dict[str, float]


def server_phases(store: Path) -> Phases:
    """Milliseconds of one start, by phase."""
    start = time.perf_counter()
    with served(store) as state:
        whole = 1e3 * (time.perf_counter() - start)
    return {"supervisor": whole - sum(state.start_ms.values()), **state.start_ms, "whole": whole}


def worker_phases(node: str) -> Phases:
    """Milliseconds until a worker has loaded its model."""
    start = time.time()
    done = _python("-c", WORKER, node, str(CHECKPOINTS))
    end, steps = json.loads(done.stdout)  # its end, because tearing torch down takes long as well
    whole = 1e3 * (end - start)
    return {"interpreter": whole - sum(steps.values()), **steps, "whole": whole}


def imports(node: str) -> Phases:
    """Milliseconds that other people's packages take to import, the slowest first."""
    done = _python("-X", "importtime", "-c", f"import {node}_handler")
    return outermost(done.stderr)


def outermost(report: str) -> Phases:
    """Packages of a ``-X importtime`` report, each with all it pulls in, unless another one pulled it in.

    The report names a module after those it imports, which are indented further.
    """
    spent: Phases = {}
    inside: int | None = None  # indentation of the package whose imports are being passed over
    for line in reversed(report.splitlines()):
        if not (found := _IMPORT.match(line)):
            continue
        indent, package = len(found["indent"]), found["name"].partition(".")[0]
        if inside is not None and indent > inside:
            continue
        inside = None
        if package not in OURS and package not in sys.stdlib_module_names:
            inside = indent
            spent[package] = spent.get(package, 0.0) + int(found["us"]) / 1e3
    slow = {package: ms for package, ms in spent.items() if ms >= SHORTEST_MS}
    return dict(sorted(slow.items(), key=lambda entry: -entry[1]))


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(HANDLERS), "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=True
    )


def medians(rounds: Sequence[Phases]) -> Phases:
    return {name: median([phases[name] for phases in rounds]) for name in rounds[0]}


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser("Measure how long a server takes to be ready.")
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="outofsync-bench-") as store:
        build(CHECKPOINTS, Path(store))
        server = medians([server_phases(Path(store)) for _ in range(chosen.rounds)])
    workers = {node: medians([worker_phases(node) for _ in range(chosen.rounds)]) for node in NODES}
    packages = {node: imports(node) for node in NODES}
    _print_phases("From nothing to ready (workflow)", server)
    for node in NODES:
        _print_phases(f"One worker alone: {node}", workers[node])
        _print_phases(f"  of which packages: {node}", packages[node])
    write_json(chosen.json, {"server_ms": server, "worker_ms": workers, "import_ms": packages})


def _print_phases(title: str, phases: Phases) -> None:
    whole = phases.get("whole", sum(phases.values()))
    rows = [[name, f"{ms:.0f}", f"{ms / whole:.0%}"] for name, ms in phases.items()]
    print_table(title, ["phase", "ms", "share"], rows)


if __name__ == "__main__":
    main()
