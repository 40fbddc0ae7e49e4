"""The engine alone: the same nodes that the server runs, in processes of our own, without TorchServe.

``Engine.pipelined`` is the most a server could reach: as many processes for each node as the server has
workers, fed with full batches without any server between them.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

import torch
import yaml

from benchmarks.load import ROOT
from outofsync.limits import Limits
from outofsync.nodes import DeblurNode, EnsembleNode, Request
from outofsync.spool import Spool
from outofsync_client.protocol import NODES, WORKFLOW

CHECKPOINTS = ROOT / "checkpoints"


@dataclass(frozen=True)
class Timed:
    """Results in order, and the wall-clock seconds they took."""

    seconds: float
    results: list[dict[str, Any]]


def batch_size() -> int:
    """How many requests each node of the workflow takes at once."""
    spec = yaml.safe_load((ROOT / "archives" / WORKFLOW / "workflow.yaml").read_text())
    return int(spec["models"]["batch-size"])


def model_config(node: str) -> dict[str, Any]:
    """The settings with which the server runs a node."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "archives" / node / "model-config.yaml").read_text())
    return config


_nodes: dict[str, DeblurNode | EnsembleNode] = {}  # those of this process


def load_nodes(*names: str, spool: Path | None = None) -> None:
    """Load nodes as their handlers do; with a spool, faces pass between processes in its files."""
    for name in names:
        settings = model_config(name).get("outofsync") or {}
        if settings.get("threads"):
            torch.set_num_threads(settings["threads"])
        kind = DeblurNode if name == "deblur" else EnsembleNode
        limits = Limits.from_settings(settings.get("limits"))
        files = None if spool is None else Spool(spool, limits.clip_bytes)
        _nodes[name] = kind.load(CHECKPOINTS, "cpu", settings, files)


def run_node(name: str, batch: Sequence[bytes], options: bytes | None) -> list[bytes]:
    return _nodes[name].run([Request(data, options, "bench") for data in batch])


def detect(batch: Sequence[bytes], options: bytes | None) -> list[bytes]:
    return run_node("ensemble", run_node("deblur", batch, options), None)


class Engine:
    """Processes that hold the nodes: one with both, and those of the pipeline."""

    def __init__(self, options: bytes | None = None) -> None:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the server sets it for its workers
        self.options = options
        self._processes = ExitStack()
        spool = Path(self._processes.enter_context(TemporaryDirectory(prefix="outofsync-bench-")))
        self._both = self._pool(1, partial(load_nodes, *NODES))
        self._node = {
            name: self._pool(int(model_config(name)["minWorkers"]), partial(load_nodes, name, spool=spool))
            for name in NODES
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._processes.close()

    def _pool(self, workers: int, load: Callable[[], None]) -> ProcessPoolExecutor:
        pool = ProcessPoolExecutor(workers, get_context("spawn"), load)
        return self._processes.enter_context(pool)

    def loop(self, files: Sequence[bytes], batch: int = 1) -> Timed:
        """One batch after another, both nodes in one process."""
        start = time.perf_counter()
        answers = [self._both.submit(detect, part, self.options).result() for part in batches(files, batch)]
        return _timed(start, answers)

    def pipelined(self, files: Sequence[bytes], batch: int) -> Timed:
        """The second node works on a batch while the first has the next."""
        start = time.perf_counter()
        found = [
            self._node["deblur"].submit(run_node, "deblur", part, self.options)
            for part in batches(files, batch)
        ]
        judged: list[Future[list[bytes]]] = [
            self._node["ensemble"].submit(run_node, "ensemble", clips.result(), None) for clips in found
        ]
        return _timed(start, [answers.result() for answers in judged])


def batches(files: Sequence[bytes], size: int) -> list[Sequence[bytes]]:
    return [files[first : first + size] for first in range(0, len(files), size)]


def _timed(start: float, answers: Sequence[Sequence[bytes]]) -> Timed:
    seconds = time.perf_counter() - start
    return Timed(seconds, [json.loads(answer) for batch in answers for answer in batch])
