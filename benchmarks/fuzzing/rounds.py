"""Rounds over targets: so many inputs of one seed for each."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.fuzzing import media
from benchmarks.fuzzing.growth import Growth, resident_with_children
from benchmarks.fuzzing.mutation import Mutator
from benchmarks.fuzzing.parsers import TARGETS
from benchmarks.fuzzing.running import FOUND, Finding, run, say
from benchmarks.fuzzing.service import Service

DECODER, SERVICE = "decoder", "service"
INPUTS, FILES, MESSAGES = 100_000, 10_000, 2_000  # of a round: of all parsers together, of the others


@dataclass(frozen=True)
class Plan:
    """What a round tries; ``service`` is where one runs, for the target of that name."""

    targets: tuple[str, ...] = (*TARGETS, DECODER)
    inputs: int = INPUTS
    files: int = FILES
    messages: int = MESSAGES
    service: Service | None = None
    found: Path = FOUND


class Fuzzer:
    """Goes through a plan, and remembers what came of it."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.tried: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()  # of mutated videos
        self.found: list[Finding] = []

    @property
    def parser_inputs(self) -> int:
        """How many all parsers together were given."""
        return sum(count for name, count in self.tried.items() if name in TARGETS)

    def round(self, seed: int) -> None:
        """Every target once, with inputs of this seed."""
        parsers = [name for name in self._plan.targets if name in TARGETS]
        for name in self._plan.targets:
            started = time.monotonic()
            count = self._count(name, len(parsers))
            for finding in self._findings(name, seed, count):
                self.found.append(finding)
                say(f"FOUND  {name}, input {finding.number} of seed {seed}: {finding.problem}")
                say(f"       {finding.keep(self._plan.found)}")
            self.tried[name] += count
            say(f"{name:<11} {count:>7} inputs of seed {seed} in {time.monotonic() - started:.0f} s")

    def _count(self, name: str, parsers: int) -> int:
        if name == DECODER:
            return self._plan.files
        return self._plan.messages if name == SERVICE else self._plan.inputs // parsers

    def _findings(self, name: str, seed: int, count: int) -> Iterator[Finding]:
        if name in TARGETS:
            target = TARGETS[name]
            yield from run(name, target.problem, Mutator(target.seeds(), target.tokens, seed), range(count))
            return
        inputs: Callable[[int], bytes]
        problem: Callable[[bytes], str]
        if name == DECODER:
            inputs, problem = media.mutated(seed), partial(media.problem, outcomes=self.outcomes)
        else:
            service = self._plan.service
            assert service is not None, "it has to be said where the service runs"
            inputs, problem = service.mutated(seed), service.problem
        opened, growth = _descriptors(), Growth(range(count), resident_with_children)
        for number in range(count):
            if said := problem(data := inputs(number)):
                yield Finding(name, number, said, data)
            growth.after(number)
        if growth.problem:
            yield Finding(name, count, growth.problem, b"")
        if (left := _descriptors() - opened) > 2:  # the process that forks decoders has one
            yield Finding(name, count, f"{left} descriptors were left open", b"")


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # as many times as it is asked
