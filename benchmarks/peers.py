"""The workflow against what one would run instead, on the same files in one run.

    python -m benchmarks.peers [--rounds 2] [--seconds 5] [--json FILE]

The published schedule is that of the published network alone, without decoding and faces. The loop is the
engine in one process, file after file. FastAPI is benchmarks/fastapi_peer.py. The last three must give the
same answers.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import requests

from benchmarks import load
from benchmarks.engine import Engine
from benchmarks.ports import free_port
from benchmarks.report import median, parser, print_table, write_json
from benchmarks.schedule import Comparison, compare, read_clip
from benchmarks.server import detect_url, served
from benchmarks.serving import clips
from outofsync.constants import FRAME_RATE, MAX_WINDOWS
from outofsync_client.protocol import LOOPBACK

REQUESTS = {1: 8, 8: 16}  # by the number of clients
START_S = 120.0

Outputs = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Measured:
    """One way to run it, under a number of clients."""

    name: str
    clients: int
    clips_per_s: float
    p50_s: float


@contextmanager
def fastapi_server() -> Iterator[str]:
    """The address of a FastAPI server's method, for as long as the block lasts."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.fastapi_peer", "--port", str(port)]
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "CUDA_VISIBLE_DEVICES": ""}
    server = subprocess.Popen(command, cwd=load.ROOT, env=environment)
    try:
        _wait(server, f"http://{LOOPBACK}:{port}/ping")
        yield f"http://{LOOPBACK}:{port}/detect"
    finally:
        server.terminate()
        server.wait()


def _wait(server: subprocess.Popen[bytes], url: str) -> None:
    """Until it answers; raises RuntimeError where it does not."""
    deadline = time.monotonic() + START_S
    with requests.Session() as session:
        session.trust_env = False
        while time.monotonic() < deadline and server.poll() is None:
            try:
                if session.get(url, timeout=5).ok:
                    return
            except requests.RequestException:
                time.sleep(0.2)
    raise RuntimeError("the FastAPI server did not start")


def through_server(
    name: str, url: str, token: str, files: Sequence[Path], clients: int
) -> tuple[Measured, Outputs]:
    """Put clients on a server; raises RuntimeError where a request fails."""
    answers = load.apply(load.Load(url, token, tuple(map(str, files)), clients, REQUESTS[clients]))
    if answers.errors:
        raise RuntimeError(f"{name}: {answers.errors[0]}")
    rate = len(answers.latencies_s) / answers.seconds
    return Measured(name, clients, rate, median(answers.latencies_s)), answers.outputs


def through_loop(engine: Engine, files: Sequence[Path]) -> tuple[Measured, Outputs]:
    """File after file, as often as one client asks."""
    latencies: list[float] = []
    outputs: Outputs = {}
    for path in islice(cycle(files), REQUESTS[1]):
        timed = engine.loop([path.read_bytes()])
        latencies.append(timed.seconds)
        outputs[str(path)] = [load.compared(timed.results[0])]
    return Measured("engine, loop", 1, len(latencies) / sum(latencies), median(latencies)), outputs


def check_same(expected: Outputs, found: Outputs, name: str) -> None:
    """Raises RuntimeError where a file was judged otherwise than by the engine."""
    for file, outputs in found.items():
        for output in outputs:
            differing = [key for key, value in output.items() if value != expected[file][0][key]]
            if differing:
                raise RuntimeError(
                    f"{name} judges {Path(file).name} otherwise: {', '.join(differing)} differ"
                )


def measure(rounds: int, files: Sequence[Path]) -> list[Measured]:
    """All that judge whole files, by turns."""
    found: list[Measured] = []
    with Engine() as engine, fastapi_server() as peer, served() as state:
        servers = {"FastAPI": (peer, ""), "workflow": (detect_url(state), state.token)}
        engine.loop([files[0].read_bytes()])
        for url, token in servers.values():  # the first request of each is slower
            load.apply(load.Load(url, token, (str(files[0]),), clients=1, requests=1))
        for _ in range(rounds):
            measured, expected = through_loop(engine, files)
            found.append(measured)
            for name, (url, token) in servers.items():
                for clients in REQUESTS:
                    measured, outputs = through_server(name, url, token, files, clients)
                    check_same(expected, outputs, name)
                    found.append(measured)
    return found


def averaged(found: Sequence[Measured]) -> list[Measured]:
    """One figure for all rounds of each."""
    kinds = dict.fromkeys((one.name, one.clients) for one in found)
    groups = [[one for one in found if (one.name, one.clients) == kind] for kind in kinds]
    return [
        Measured(
            group[0].name,
            group[0].clients,
            len(group) / sum(1 / one.clips_per_s for one in group),
            median([one.p50_s for one in group]),
        )
        for group in groups
    ]


def video_seconds(published: Comparison) -> float:
    """How much video both schedules were timed on."""
    return published.windows / FRAME_RATE


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser("Measure the workflow against what one would run instead.")
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--seconds", type=float, default=5.0, help="length of the clips")
    chosen = options.parse_args(arguments)
    published = compare(read_clip(None, MAX_WINDOWS), 1)
    found = averaged(measure(chosen.rounds, clips(chosen.seconds)))
    print_peers(found, published, chosen.seconds)
    results = {"published": asdict(published), "measured": [asdict(one) for one in found]}
    write_json(chosen.json, {"clip_s": chosen.seconds, **results})


def print_peers(found: Sequence[Measured], published: Comparison, seconds: float) -> None:
    ours = {one.clients: one for one in found if one.name == "workflow"}
    best = max(one.clips_per_s for one in ours.values()) * seconds
    rows: list[list[object]] = []
    for name, spent in (("published schedule", published.published_seconds), ("ours", published.our_seconds)):
        rate = video_seconds(published) / spent
        rows.append([f"published network, {name}", 1, rate, None, _times(best / rate), None])
    for one in found:
        same = ours[one.clients]
        faster, sooner = same.clips_per_s / one.clips_per_s, one.p50_s / same.p50_s
        rows.append(
            [one.name, one.clients, one.clips_per_s * seconds, one.p50_s, _times(faster), _times(sooner)]
        )
    columns = ["", "clients", "video s/s", "p50 s", "workflow is faster", "answers sooner"]
    print_table(f"Clips of {seconds:g} s at 720p", columns, rows)
    print("The published network alone, without decoding and faces; all others give the same answers.")


def _times(ratio: float) -> str:
    return f"{ratio:.2f} x"


if __name__ == "__main__":
    main()
