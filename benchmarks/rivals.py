"""What a user would write instead of ``outofsync-cluster``: a loop, a pool, the command line in GNU parallel.

None of them survives a crash, knows what is done, or leaves more than answers.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.pool import Pool
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from archives.build import build
from benchmarks.server import served
from outofsync.nodes import DeblurNode, EnsembleNode, Request
from outofsync_client.cli.server import TOKEN_VARIABLE, URL_VARIABLE

COMMAND = str(Path(sys.executable).with_name("outofsync"))
JOBS_PER_CORE = 2  # commands at a time: one waits for the server while another starts

_nodes: tuple[DeblurNode, EnsembleNode]


@dataclass(frozen=True)
class Rate:
    """Videos and the wall-clock seconds they took, without what comes before the first."""

    videos: int
    seconds: float

    @property
    def per_s(self) -> float:
        return self.videos / self.seconds

    def to_dict(self) -> dict[str, float]:
        return {
            "videos": self.videos,
            "seconds": round(self.seconds, 3),
            "videos_per_s": round(self.per_s, 4),
        }


def loop(paths: Sequence[str], weights: Path, cores: int, batch: int) -> tuple[Rate, dict[str, Any]]:
    """A process a core, each with its share, batch after batch; results by SHA-256, too."""
    batches = [list(paths[first : first + batch]) for first in range(0, len(paths), batch)]
    with _pool(weights, cores) as pool:
        start = time.perf_counter()
        shares = pool.map(_loop, [batches[place::cores] for place in range(cores)], chunksize=1)
        seconds = time.perf_counter() - start
    results = {}
    for path, answer in [pair for share in shares for pair in share]:
        results[hashlib.sha256(Path(path).read_bytes()).hexdigest()] = json.loads(answer)
    return Rate(len(paths), seconds), results


def pooled(paths: Sequence[str], weights: Path, cores: int) -> Rate:
    """``multiprocessing.Pool`` around the engine: a video a call, as it is written in an afternoon."""
    with _pool(weights, cores) as pool:
        start = time.perf_counter()
        done = sum(1 for _ in pool.imap_unordered(_one, paths))
        return Rate(done, time.perf_counter() - start)


def parallel(paths: Sequence[str], weights: Path, cores: int) -> tuple[Rate, str]:
    """The command line of the service for each video; the rate, and which program ran so many at a time."""
    jobs = str(JOBS_PER_CORE * cores)
    program = "parallel" if _has_gnu_parallel() else "xargs"
    words = (
        ["parallel", "-j", jobs] if program == "parallel" else ["xargs", "-d", r"\n", "-n", "1", "-P", jobs]
    )
    with TemporaryDirectory(prefix="outofsync-bench-") as folder:
        store = Path(folder) / "model_store"
        build(weights, store)
        with served(store) as state:
            start = time.perf_counter()
            ran = subprocess.run(
                [*words, COMMAND, "detect", "--json", "--quiet"],
                input="\n".join(paths),
                env={**os.environ, URL_VARIABLE: state.url, TOKEN_VARIABLE: state.token},
                text=True,
                capture_output=True,
                check=False,
            )
            seconds = time.perf_counter() - start
    done = [line for line in ran.stdout.splitlines() if line.startswith("{")]
    if len(done) != len(paths):
        raise RuntimeError(f"{len(done)} of {len(paths)} answers from {program}: {ran.stderr[-500:]}")
    return Rate(len(paths), seconds), program


def _has_gnu_parallel() -> bool:
    """Another program of that name takes other words."""
    if shutil.which("parallel") is None:
        return False
    said = subprocess.run(["parallel", "--version"], capture_output=True, text=True, check=False)
    return said.stdout.startswith("GNU parallel")


@contextmanager
def _pool(weights: Path, cores: int) -> Iterator[Pool]:
    """Processes that have loaded the engine, all of them."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    context = get_context("spawn")
    ready = context.Barrier(cores + 1)
    with context.Pool(cores, _load, (weights, ready)) as pool:
        ready.wait()
        yield pool


def _load(weights: Path, ready: Any) -> None:
    global _nodes
    torch.set_num_threads(1)
    _nodes = (
        DeblurNode.load(weights, "cpu", {"threads": 1}),
        EnsembleNode.load(weights, "cpu", {"threads": 1}),
    )
    ready.wait()


def _loop(batches: Sequence[Sequence[str]]) -> list[tuple[str, bytes]]:
    return [pair for paths in batches for pair in zip(paths, _judged(paths), strict=True)]


def _one(path: str) -> bytes:
    return _judged([path])[0]


def _judged(paths: Sequence[str]) -> list[bytes]:
    deblur, ensemble = _nodes
    clips = deblur.run([Request(Path(path).read_bytes(), None, "") for path in paths])
    return ensemble.run([Request(clip, None, "") for clip in clips])
