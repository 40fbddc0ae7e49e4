"""Runs a reader on many inputs in a process of its own, which an input may end or hold up; and goes on."""

from __future__ import annotations

import faulthandler
import hashlib
import mmap
import os
import resource
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from benchmarks.fuzzing.growth import Growth

FOUND = Path(__file__).resolve().parents[2] / "tests" / "robustness" / "fuzzing" / "found"
LONGEST_S = 30.0  # that one input may take, on a busy machine too
POLL_S = 0.05
GROWTH = 4 << 30  # bytes of address space that a reader may take beyond what it has
_COUNT = struct.Struct("<Q")  # the number of the input under way
LONGEST_PROBLEM = 200

Problem = Callable[[bytes], str]  # of one input; empty where there is none


@dataclass(frozen=True)
class Finding:
    """An input that a reader did not stand."""

    target: str
    number: int
    problem: str
    data: bytes

    def keep(self, folder: Path = FOUND) -> Path:
        """Write it where the suite reads it from now on."""
        path = folder / self.target / f"{hashlib.sha256(self.data).hexdigest()[:16]}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.data)
        return path


def kept(target: str, folder: Path = FOUND) -> Iterator[Path]:
    """Inputs that were found once."""
    return iter(sorted((folder / target).glob("*.bin")))


def run(
    target: str,
    problem: Problem,
    inputs: Callable[[int], bytes],
    numbers: range,
    *,
    longest_s: float = LONGEST_S,
) -> Iterator[Finding]:
    """What a reader did not stand of these inputs: errors that it may not raise, death, hanging, leaks."""
    with mmap.mmap(-1, 1 << 16) as shared:
        at = numbers.start
        while at < numbers.stop:
            _COUNT.pack_into(shared, 0, at)
            child = os.fork()
            if not child:
                _work(problem, inputs, range(at, numbers.stop), shared)
            said = _watch(child, shared, longest_s)
            at = _COUNT.unpack_from(shared)[0]
            if said:  # of a run as a whole, behind its last input
                yield Finding(target, at, said, inputs(at) if at < numbers.stop else b"")
            at += 1


def _work(problem: Problem, inputs: Callable[[int], bytes], numbers: range, shared: mmap.mmap) -> None:
    """In the child: leave at the first finding, with its words in the shared memory. Never returns."""
    faulthandler.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + GROWTH, resource.RLIM_INFINITY))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    growth = Growth(numbers)
    try:
        for number in numbers:
            _COUNT.pack_into(shared, 0, number)
            if said := problem(inputs(number)):
                _leave(said, shared)
            growth.after(number)
        _COUNT.pack_into(shared, 0, numbers.stop)
        if said := growth.problem:
            _leave(said, shared)
        os._exit(0)
    finally:
        os._exit(2)


def _leave(said: str, shared: mmap.mmap) -> NoReturn:
    words = said.encode("utf-8", "replace")[:LONGEST_PROBLEM]
    shared[_COUNT.size : _COUNT.size + len(words) + 1] = words + b"\0"
    os._exit(1)


def _watch(child: int, shared: mmap.mmap, longest_s: float) -> str:
    """Until the child has ended: what it found; empty where it went through all."""
    under_way, since = -1, time.monotonic()
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            if code == 0:
                return ""
            if code == 1:
                return shared[_COUNT.size :].split(b"\0", 1)[0].decode("utf-8", "replace")
            how = signal.Signals(-code).name if code < 0 else f"status {code}"
            return f"the process died ({how})"
        (number,) = _COUNT.unpack_from(shared)
        if number != under_way:
            under_way, since = number, time.monotonic()
        if time.monotonic() - since > longest_s:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return f"it took longer than {longest_s:g} s"
        time.sleep(POLL_S)


def peak_mb() -> float:
    """Memory (MB) that the largest child so far has held."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024.0


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
