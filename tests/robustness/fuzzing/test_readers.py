"""Nothing that fuzzing ever found, nor what a few seconds of it find now, gets the better of a reader."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.fuzzing import media
from benchmarks.fuzzing.mutation import Mutator
from benchmarks.fuzzing.parsers import TARGETS
from benchmarks.fuzzing.rounds import Fuzzer, Plan
from benchmarks.fuzzing.running import Finding, kept, run

pytestmark = pytest.mark.slow  # make fuzz goes on for as long as it is told to

INPUTS = 400  # for each parser
FILES = 60  # mutated videos
SEED = 2026


@pytest.mark.parametrize("name", TARGETS)
def test_a_parser_reads_or_refuses_whatever_it_is_given(name: str) -> None:
    target = TARGETS[name]
    seeds = target.seeds()
    assert [target.problem(seed) for seed in seeds] == [""] * len(seeds)
    mutated = Mutator(seeds, target.tokens, SEED)
    assert list(run(name, target.problem, mutated, range(INPUTS))) == []


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_found_once_is_read_or_refused(name: str) -> None:
    files = [path.read_bytes() for path in kept(name)]
    assert list(run(name, TARGETS[name].problem, files.__getitem__, range(len(files)))) == []


def test_mutated_videos_are_read_or_refused() -> None:
    mutated = media.mutated(SEED)
    assert {number: media.problem(mutated(number)) for number in range(FILES)} == dict.fromkeys(
        range(FILES), ""
    )


def test_videos_that_were_found_once_are_read_or_refused() -> None:
    assert {path.name: media.problem(path.read_bytes()) for path in kept("decoder")} == dict.fromkeys(
        (path.name for path in kept("decoder")), ""
    )


def test_coverage_can_guide(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="atheris is for Linux on x86-64")
    words = [sys.executable, "-m", "benchmarks.fuzzing.guided", "options", "-runs=1000", "-seed=1"]
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        words, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Done 1000 runs" in done.stderr


def test_a_round_tries_what_it_is_to(tmp_path: Path) -> None:
    fuzzer = Fuzzer(Plan(targets=("options", "form", "decoder"), inputs=40, files=2, found=tmp_path))
    fuzzer.round(SEED)
    assert fuzzer.tried == {"options": 20, "form": 20, "decoder": 2}
    assert (fuzzer.parser_inputs, fuzzer.outcomes.total()) == (40, 2)
    assert fuzzer.found == [] == list(tmp_path.iterdir())


def test_the_same_number_gives_the_same_input() -> None:
    mutated = Mutator([b"a seed", b"another"], [b"token"], SEED)
    assert [mutated(number) for number in range(20)] == [mutated(number) for number in range(20)]
    assert len({mutated(number) for number in range(20)}) > 10


def explodes(data: bytes) -> str:
    """A reader that fails in each way in which one can."""
    match data:
        case b"dies":
            import ctypes

            ctypes.string_at(0)
        case b"hangs":
            time.sleep(600)
        case b"errs":
            return "ValueError: it errs"
    return ""


def test_death_hanging_and_errors_are_found_and_the_rest_is_tried(tmp_path: Path) -> None:
    """This test can fail: what fuzzing is to find is found."""
    inputs = [b"fine", b"dies", b"fine", b"hangs", b"errs", b"fine"]
    found = list(run("made", explodes, inputs.__getitem__, range(len(inputs)), longest_s=5.0))
    assert [(one.number, one.data) for one in found] == [(1, b"dies"), (3, b"hangs"), (4, b"errs")]
    assert [one.problem for one in found] == [
        "the process died (SIGSEGV)",
        "it took longer than 5 s",
        "ValueError: it errs",
    ]
    assert Finding("made", 1, "", b"dies").keep(tmp_path) in set(kept("made", tmp_path))


@pytest.mark.parametrize("kept_bytes", [0, 1 << 14])
def test_memory_that_is_kept_is_found(kept_bytes: int) -> None:
    """This test can fail: 16 kB of each input are noticed, and what is given back is not."""
    held = []

    def read(data: bytes) -> str:
        momentary = data * (1 << 10)
        held.append(momentary[:kept_bytes])
        return ""

    found = list(run("made", read, lambda number: number.to_bytes(1 << 10, "big"), range(1000)))
    assert [(one.number, one.data) for one in found] == ([(1000, b"")] if kept_bytes else [])
    assert all("MB more are held" in one.problem for one in found)
