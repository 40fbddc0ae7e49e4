"""What the product itself says about a clip, as a record for tables, and processes that ask it."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
import torch

from outofsync.checkpoints.store import Checkpoint
from outofsync.clip import Clip
from outofsync.deblur.restorer import Restorer
from outofsync.nodes import DeblurNode, EnsembleNode
from outofsync.runner import Precision

GENUINE = "genuine"
CALLED_FAKE = ("likely_fake", "fake")

Task = TypeVar("Task")
Outcome = TypeVar("Outcome")


@dataclass(frozen=True)
class Record:
    """One judged clip. ``view`` says how it was cut or degraded, ``kind`` how it was manipulated."""

    view: str
    kind: str
    identity: str
    frames: int
    verdict: str
    probability: float | None
    score: float | None
    offset: int | None  # frames
    reasons: tuple[str, ...]

    @property
    def called_fake(self) -> bool:
        return self.verdict in CALLED_FAKE

    @property
    def abstained(self) -> bool:
        return self.verdict == "inconclusive"


def record_of(result: dict[str, Any], view: str, kind: str, identity: str, frames: int) -> Record:
    """The record of one result (DESIGN: Result)."""
    return Record(
        view,
        kind,
        identity,
        frames,
        result["verdict"],
        result["probability_fake"],
        result["score"],
        result["offset_frames"],
        tuple(reason["code"] for reason in result["reasons"]),
    )


class Product:
    """The served nodes in this process, each read from its checkpoint when it is first needed."""

    def __init__(self, checkpoints: Path, precision: Precision = "float32") -> None:
        self._checkpoints = checkpoints
        self._precision = precision
        self._settings = {"threads": 1, "precision": precision}
        self._ensemble: EnsembleNode | None = None
        self._deblur: DeblurNode | None = None
        self._restorer: Restorer | None = None

    @property
    def ensemble(self) -> EnsembleNode:
        self._ensemble = self._ensemble or EnsembleNode.load(self._checkpoints, "cpu", self._settings)
        return self._ensemble

    @property
    def deblur(self) -> DeblurNode:
        self._deblur = self._deblur or DeblurNode.load(self._checkpoints, "cpu", self._settings)
        return self._deblur

    @property
    def restorer(self) -> Restorer:
        checkpoint = self._checkpoints / "deblur.safetensors"
        self._restorer = self._restorer or Restorer.from_checkpoint(
            Checkpoint.load(checkpoint, kind="deblur"), precision=self._precision
        )
        return self._restorer

    def record(self, clip: Clip, view: str, kind: str, identity: str) -> Record:
        """Judge one clip."""
        (result,) = self.ensemble.judge([clip])
        frames = max((len(track.frames) for track in clip.tracks), default=0)
        return record_of(result, view, kind, identity, frames)


_product: Product | None = None


def _begin(checkpoints: Path, precision: Precision) -> None:
    global _product
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    _product = Product(checkpoints, precision)


def _work(job: Callable[[Product, Task], Outcome], task: Task) -> Outcome:
    assert _product is not None
    return job(_product, task)


class Workers:
    """Processes that each hold the product; with one, the work is done in this process."""

    def __init__(self, product: Product, pool: ProcessPoolExecutor | None) -> None:
        self._product = product
        self._pool = pool

    def map(self, job: Callable[[Product, Task], Outcome], tasks: Sequence[Task], name: str) -> list[Outcome]:
        """Outcomes in the order of the tasks; prints how far it has come."""
        progress = Progress(name, len(tasks))
        if self._pool is None:
            return [progress.after(job(self._product, task)) for task in tasks]
        futures = [self._pool.submit(_work, job, task) for task in tasks]
        left = set(futures)
        try:
            while left:
                done, left = wait(left, return_when=FIRST_COMPLETED)
                for future in done:
                    progress.after(future.result())
        finally:
            for future in left:
                future.cancel()
        return [future.result() for future in futures]


class Progress:
    """A line now and then."""

    EVERY_S = 20.0

    def __init__(self, name: str, total: int) -> None:
        self._name, self._total, self._done = name, total, 0
        self._begin = self._said = time.monotonic()

    def after(self, outcome: Outcome) -> Outcome:
        """Count one more, and pass it on."""
        self._done += 1
        now = time.monotonic()
        if now - self._said >= self.EVERY_S or self._done == self._total:
            self._said = now
            print(f"  {self._name}: {self._done} of {self._total}, {now - self._begin:.0f} s", flush=True)
        return outcome


@contextmanager
def workers(checkpoints: Path, count: int, precision: Precision = "float32") -> Iterator[Workers]:
    """``count`` processes for as long as the block lasts."""
    product = Product(checkpoints, precision)
    if count <= 1:
        yield Workers(product, None)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, context, initializer=_begin, initargs=(checkpoints, precision)) as pool:
        yield Workers(product, pool)
