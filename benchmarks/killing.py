"""kill -9 at every stage: runs over a short corpus, each cut off somewhere else, and what is there at last.

    python -m benchmarks.killing WRITE SOURCE --output-dir …    (a run that kills itself before a write)

A round begins runs and kills them, or one of the processes that work for them, until one comes to its end.
Drivers are killed before each of their first writes, exactly, and at random moments; actors and the engine's
processes at random moments.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from benchmarks.runs import command, compared, results_of
from outofsync_cluster.places import Place

AT_A_WRITE, AT_RANDOM, WORKER, ENGINE = "before a write", "driver", "actor", "engine's process"
KINDS = (AT_A_WRITE, AT_RANDOM, WORKER, ENGINE)
KILLED_BEFORE = 30  # write: a part takes five
MOST_S = 600.0  # of a run: to end a hang
FIND_S = 0.2
MOST_LEFT_ALONE_S = 5.0  # an actor or engine that is found, before it is killed


def killed(
    wanted: dict[str, str], source: str, weights: Path, rounds: int, folder: Path, *, cores: int
) -> dict[str, Any]:
    """Rounds of killing, and how their rows compare with those of a run that was left alone."""
    chance = random.Random(0)
    more = ("--cores", str(cores), "--write-every", "0")
    undisturbed = folder / "undisturbed"
    _run(command(source, undisturbed, weights, *more))
    known = {}
    for result in results_of(undisturbed):
        del result["uri"]
        known[result.pop("sha256")] = result
    totals: dict[str, int] = {"rounds": 0, "kills": 0, "lost": 0, "doubled": 0, "foreign": 0, "unequal": 0}
    by_kind = dict.fromkeys(KINDS, 0)
    for number in range(rounds):
        kind = KINDS[number % len(KINDS)]
        with TemporaryDirectory(dir=folder) as made:
            output = Path(made) / "out"
            words = command(source, output, weights, *more)
            kills = _disturbed(kind, words, chance, number)
            _run(words)
            found = compared(output, wanted, known)
        totals["rounds"] += 1
        totals["kills"] += kills
        by_kind[kind] += kills
        for name in ("lost", "doubled", "foreign", "unequal"):
            totals[name] += found[name]
        print(f"round {number + 1} of {rounds}: {kind}, {kills} killed, {found}", flush=True)
    return {**totals, "kills_by_kind": by_kind}


def _disturbed(kind: str, words: list[str], chance: random.Random, number: int) -> int:
    """One or more runs of which something is killed; how many kills there were."""
    if kind == AT_A_WRITE:
        kills = 0
        for write in (1 + number % 5, chance.randrange(6, KILLED_BEFORE)):
            itself = [sys.executable, "-m", "benchmarks.killing", str(write), *words[3:]]
            kills += _run(itself, checked=False) == -signal.SIGKILL
        return kills
    if kind == AT_RANDOM:
        kills = 0
        for _ in range(2):
            with _Begun(words) as driver, suppress(subprocess.TimeoutExpired):
                driver.wait(chance.uniform(2.0, 20.0))
            kills += driver.returncode == -signal.SIGKILL
        return kills
    return _kill_a_helper(kind, words, chance)


class _Begun:
    """A run that is killed at the end of the block, if it has not ended by then."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words

    def __enter__(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(self._words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self._process

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def _kill_a_helper(kind: str, words: Sequence[str], chance: random.Random) -> int:
    """Kill an actor or an engine's process once it is there for a while; the run goes on to its end."""
    with _Begun(words) as driver:
        family = psutil.Process(driver.pid)
        deadline = time.monotonic() + MOST_S
        while driver.poll() is None and time.monotonic() < deadline:
            with suppress(psutil.Error, IndexError):
                if _members(kind, family):
                    time.sleep(chance.uniform(0.0, MOST_LEFT_ALONE_S))
                    # Those that are there now: the first engine only says its version, and ends.
                    chance.choice(_members(kind, family)).kill()
                    driver.wait(MOST_S)
                    return 1
            time.sleep(FIND_S)
    return 0


def _members(kind: str, family: psutil.Process) -> list[psutil.Process]:
    return [one for one in family.children(recursive=True) if _is(kind, one)]


def _is(kind: str, process: psutil.Process) -> bool:
    if kind == ENGINE:
        return "outofsync_cluster.child" in process.cmdline()
    return process.name().startswith("ray::MapWorker") or "MapWorker" in " ".join(process.cmdline())


def _run(words: Sequence[str], *, checked: bool = True) -> int:
    ran = subprocess.run(words, capture_output=True, text=True, timeout=MOST_S, check=False)
    if checked and ran.returncode != 0:
        raise RuntimeError(f"a run failed: {ran.stderr[-1000:]}")
    return ran.returncode


def main() -> None:
    """The command line, ended by the kernel before the write of that number."""
    last, written, write = int(sys.argv[1]), 0, Place.write

    def counted(place: Place, data: bytes) -> None:
        nonlocal written
        written += 1
        if written == last:
            os.kill(os.getpid(), signal.SIGKILL)
        write(place, data)

    Place.write = counted  # type: ignore[method-assign, assignment]
    from outofsync_cluster.cli import cli

    cli(sys.argv[2:])


if __name__ == "__main__":
    main()
