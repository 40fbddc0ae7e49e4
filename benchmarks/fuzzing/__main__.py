"""``make fuzz``: parsers, the decoder and a running service, with inputs that nobody would send in earnest.

    make fuzz                                          # 100,000 parser inputs, 10,000 mutated videos
    make fuzz ARGS="--hours 48"                        # round after round, each of another seed
    make fuzz ARGS="--targets form --guided --hours 1" # guided by coverage (atheris)
    make fuzz ARGS="--targets service --url https://localhost:8443 --key KEY --authority FILE"

What is found is written to tests/robustness/fuzzing/found, and the status is 1.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.fuzzing.parsers import TARGETS
from benchmarks.fuzzing.rounds import DECODER, FILES, INPUTS, MESSAGES, SERVICE, Fuzzer, Plan
from benchmarks.fuzzing.running import peak_mb, say
from benchmarks.fuzzing.service import Service


def guided(names: list[str], seconds: float) -> int:
    """Each parser in turn under atheris, for its share of the time; in how many something was found."""
    failed = 0
    for name in names:
        words = [name, f"-max_total_time={max(1, round(seconds / len(names)))}"]
        done = subprocess.run([sys.executable, "-m", "benchmarks.fuzzing.guided", *words], check=False)
        failed += done.returncode != 0
    return failed


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "--targets", nargs="+", default=[*TARGETS, DECODER], choices=[*TARGETS, DECODER, SERVICE]
    )
    parser.add_argument("--inputs", type=int, default=INPUTS, help="of all parsers, in a round")
    parser.add_argument("--files", type=int, default=FILES, help="mutated videos, in a round")
    parser.add_argument("--messages", type=int, default=MESSAGES, help="to the service, in a round")
    parser.add_argument("--seed", type=int, default=0, help="of the first round")
    parser.add_argument("--hours", type=float, default=0.0, help="go on for so long; 0: one round")
    parser.add_argument("--guided", action="store_true", help="by coverage, parsers alone (needs atheris)")
    parser.add_argument("--url", default="", help="of a gateway or an edge that runs")
    parser.add_argument("--key", default="", help="that it takes")
    parser.add_argument("--authority", type=Path, help="file of the certificate that vouches for it")
    chosen = parser.parse_args(arguments)
    if SERVICE in chosen.targets and not chosen.url:
        parser.error("the service needs --url and --key")
    return chosen


def main() -> int:
    chosen = parse()
    if chosen.guided:
        return 1 if guided([name for name in chosen.targets if name in TARGETS], chosen.hours * 3600) else 0
    service = Service(chosen.url, chosen.key, chosen.authority) if chosen.url else None
    plan = Plan(tuple(chosen.targets), chosen.inputs, chosen.files, chosen.messages, service)
    fuzzer, ends, seed = Fuzzer(plan), time.monotonic() + chosen.hours * 3600, chosen.seed
    while True:
        fuzzer.round(seed)
        seed += 1
        if time.monotonic() >= ends:
            break
    say(f"parser inputs: {fuzzer.parser_inputs}")
    say(f"mutated videos: {fuzzer.tried[DECODER]}, which came to {dict(fuzzer.outcomes)}")
    say(f"messages to the service: {fuzzer.tried[SERVICE]}; largest process: {peak_mb():.0f} MB")
    say(f"findings: {len(fuzzer.found)}")
    return 1 if fuzzer.found else 0


if __name__ == "__main__":
    sys.exit(main())
