"""What jobs cost beside requests that are waited for: ``make bench BENCH=jobs_cost [ARGS="--rounds 12"]``.

One server with a gateway before it. A lone caller sends a short clip by ``POST /v1/detect``, then as a job,
in turn: the difference of the medians is what a job adds, from its first byte to its result. Then so many
clients send in blocks of either kind, in turn: the ratio of clips a second is what jobs leave of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.footage import stored
from benchmarks.ports import free_port
from benchmarks.report import machine, median, parser, percentile, print_table, write_json
from benchmarks.server import served_from

ROOT = Path(__file__).resolve().parent.parent
ANSWER_S = 600.0
HOLD = {"Prefer": "wait=60"}
ADDED_GOAL_MS, SHARE_GOAL = 50.0, 0.95

Ask = Callable[[httpx.Client, bytes], None]


def at_once(client: httpx.Client, video: bytes) -> None:
    """A request that is waited for."""
    client.post("/v1/detect", content=video).raise_for_status()


def as_job(client: httpx.Client, video: bytes) -> None:
    """A job that is handed in and asked for; never one that was answered before."""
    answer = client.post("/v1/jobs?fresh=true", content=video).raise_for_status()
    while True:
        job = client.get(answer.headers["Location"], headers=HOLD).raise_for_status().json()
        if job["ended"]:
            assert job["state"] == "done", job["failure"]
            return


@contextmanager
def gateway(state: Path) -> Iterator[str]:
    """A gateway before a server, without keys; its address."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    chosen = {"states": [str(state)], "keys": None, "port": port, "notice_s": 0}
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "--settings", json.dumps(chosen)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(base_url=url, trust_env=False) as client:
            for _ in range(600):
                try:
                    if client.get("/v1/health").status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


def _client(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=ANSWER_S, trust_env=False)


def latencies(url: str, video: bytes, rounds: int) -> dict[str, list[float]]:
    """Seconds of a lone clip, by either way in turn."""
    found: dict[str, list[float]] = {"at once": [], "as a job": []}
    with _client(url) as client:
        for ask in (at_once, as_job):  # whatever is loaded at the first call
            ask(client, video)
        for _ in range(rounds):
            for name, ask in (("at once", at_once), ("as a job", as_job)):
                start = time.perf_counter()
                ask(client, video)
                found[name].append(time.perf_counter() - start)
    return found


def rate(url: str, video: bytes, ask: Ask, clients: int, requests: int) -> float:
    """Clips a second of so many clients, each of which waits for its answer before it sends again."""
    left = iter(range(requests))
    lock = threading.Lock()
    failed: list[Exception] = []

    def work() -> None:
        with _client(url) as client:
            while True:
                with lock:
                    if next(left, None) is None:
                        return
                try:
                    ask(client, video)
                except Exception as error:
                    failed.append(error)
                    return

    threads = [threading.Thread(target=work) for _ in range(clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return requests / (time.perf_counter() - start)


def main() -> int:
    options_of = parser(__doc__ or "")
    options_of.add_argument("--seconds", type=float, default=5.0, help="length of the clip")
    options_of.add_argument("--rounds", type=int, default=12, help="lone clips of either kind")
    options_of.add_argument("--clients", type=int, default=8)
    options_of.add_argument("--blocks", type=int, default=3, help="of four requests a client, of either kind")
    options = options_of.parse_args()
    video = stored(options.seconds).read_bytes()
    rates: dict[str, list[float]] = {"at once": [], "as a job": []}
    with served_from() as (state, _), gateway(state) as url:
        lone = latencies(url, video, options.rounds)
        for block in range(options.blocks):
            ways: list[tuple[str, Ask]] = [("at once", at_once), ("as a job", as_job)]
            for name, ask in ways[:: -1 if block % 2 else 1]:
                rates[name].append(rate(url, video, ask, options.clients, 4 * options.clients))
    added_ms = 1000 * (median(lone["as a job"]) - median(lone["at once"]))
    share = median(rates["as a job"]) / median(rates["at once"])
    rows = [
        [name, median(lone[name]), percentile(lone[name], 0.95), median(rates[name]), min(rates[name])]
        for name in lone
    ]
    columns = ["", "lone p50 s", "p95 s", f"{options.clients} clients: clips/s", "slowest block"]
    print_table(f"A clip of {options.seconds:g} s", columns, rows)
    print(
        f"added: {added_ms:.0f} ms (goal {ADDED_GOAL_MS:.0f}); throughput {share:.1%} (goal {SHARE_GOAL:.0%})"
    )
    if options.json:
        values = {"lone_s": lone, "clips_per_s": rates, "added_ms": added_ms, "share": share}
        write_json(options.json, {"machine": machine(), **values})
    return 0


if __name__ == "__main__":
    sys.exit(main())
