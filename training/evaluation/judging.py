"""What the product itself says about a clip, as a record for tables, and processes that ask it."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from outofsync.checkpoints.store import Checkpoint
from outofsync.clip import Clip
from outofsync.deblur.restorer import Restorer
from outofsync.nodes import DeblurNode, EnsembleNode
from outofsync.runner import Precision
from training.preparation.workers import one_thread

GENUINE = "genuine"
OTHER_SPEAKER = "another speaker's sound"
SAME_SPEAKER = "the same speaker's other sound"
INSIDE = "sound moved inside the window"
AS_FILED = "sound moved by that much from where the file has it"
OUTSIDE = "sound moved beyond the window"
GENERATED = "generated picture"
DUBBED = "real picture, another voice put to it"
SYNTHETIC_VOICE = "real picture, synthetic voice"
KINDS = (GENUINE, INSIDE, AS_FILED, OUTSIDE, SAME_SPEAKER, OTHER_SPEAKER, DUBBED, GENERATED, SYNTHETIC_VOICE)

WHOLE, PIECE, HALF = "whole clip", "2.2 s", "half"
VERDICTS = ("real", "likely_real", "likely_fake", "fake", "inconclusive")
CALLED_FAKE = ("likely_fake", "fake")

Task = TypeVar("Task")
Outcome = TypeVar("Outcome")


@dataclass(frozen=True)
class Subject:
    """Who and what a file shows."""

    file: str
    identity: str
    source: str = ""
    generator: str = ""  # empty for genuine clips
    page: str = ""  # where the file was shown; empty where that is unknown
    face_px: float = 0.0
    sharpness: float = 0.0


@dataclass(frozen=True)
class Treatment:
    """How a clip was cut and what was done to it; frames are positive where the sound is late."""

    kind: str = GENUINE
    cut: str = WHOLE
    place: int = 0  # where the sound was put, or by how much it was to be moved
    moved: int = 0  # by how much it was moved


@dataclass(frozen=True)
class Record:
    """What the product said about one clip, as its result has it; None where it said nothing."""

    subject: Subject
    treatment: Treatment
    frames: int
    verdict: str
    probability: float | None = None
    score: float | None = None
    offset: int | None = None  # frames, positive: sound late
    confidence: float | None = None  # in the offset
    judged_offset: int | None = None  # frames: where inside the window everything was judged
    aligned: float | None = None  # probability after alignment, of a constant offset outside the window
    synchrony: float | None = None  # probability by this part alone
    face: float | None = None  # the same
    reasons: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        return self.treatment.kind

    @property
    def identity(self) -> str:
        return self.subject.identity

    @property
    def called_fake(self) -> bool:
        return self.verdict in CALLED_FAKE

    @property
    def abstained(self) -> bool:
        return self.verdict == "inconclusive"


def record_of(result: dict[str, Any], subject: Subject, treatment: Treatment, frames: int) -> Record:
    """The record of one result; published networks give no probability and no single parts."""
    parts = result.get("parts") or {}
    return Record(
        subject,
        treatment,
        frames,
        result["verdict"],
        result["probability_fake"],
        result["score"],
        result["offset_frames"],
        result["offset_confidence"],
        result.get("judged_offset_frames"),
        result.get("probability_aligned"),
        parts.get("synchrony"),
        parts.get("face"),
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

    def record(self, clip: Clip, subject: Subject, treatment: Treatment) -> Record:
        """Judge one clip."""
        (result,) = self.ensemble.judge([clip])
        frames = max((len(track.frames) for track in clip.tracks), default=0)
        return record_of(result.to_dict(), subject, treatment, frames)


@cache
def _product(checkpoints: Path, precision: Precision) -> Product:
    """The product of a worker, for all of its tasks."""
    return Product(checkpoints, precision)


def _work(
    job: Callable[[Product, Task], Outcome], checkpoints: Path, precision: Precision, task: Task
) -> Outcome:
    return job(_product(checkpoints, precision), task)


class Workers:
    """Processes that each hold the product; with one, the work is done in this process."""

    def __init__(self, checkpoints: Path, precision: Precision, pool: ProcessPoolExecutor | None) -> None:
        self._checkpoints, self._precision = checkpoints, precision
        self._product = Product(checkpoints, precision)  # of this process, loaded where it is asked
        self._pool = pool

    def map(self, job: Callable[[Product, Task], Outcome], tasks: Sequence[Task], name: str) -> list[Outcome]:
        """Outcomes in the order of the tasks; prints how far it has come."""
        progress = Progress(name, len(tasks))
        if self._pool is None:
            return [progress.after(job(self._product, task)) for task in tasks]
        futures = [self._pool.submit(_work, job, self._checkpoints, self._precision, task) for task in tasks]
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
    if count <= 1:
        yield Workers(checkpoints, precision, None)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, context, initializer=one_thread) as pool:
        yield Workers(checkpoints, precision, pool)
