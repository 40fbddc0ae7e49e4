"""A run that trains parts of the face network until its time is up, looking at ``val`` now and then."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from torch import Tensor

from outofsync.checkpoints.store import Checkpoint
from training.face import auc
from training.face_stretches import FaceInMemory, middle_of

Batch = TypeVar("Batch", contravariant=True)


class Trainer(Protocol[Batch]):
    """One or more networks in training, by the names of what they see."""

    @property
    def over(self) -> bool:
        """Whether the steps are done, or the time is up."""

    def step(self, batch: Batch) -> Mapping[str, float]:
        """Learn from one batch; the loss of each network."""

    def settle(self, learnt: Sequence[FaceInMemory]) -> None:
        """What is to be done once it is over, before it is looked at for the last time."""

    def watch(self, faces: Sequence[FaceInMemory]) -> dict[str, float]:
        """The AUC of each network."""

    def checkpoint(self, about: dict[str, object]) -> Checkpoint:
        """A face network with what was learnt."""


def train(
    trainer: Trainer[Batch],
    batches: Iterator[Batch],
    learnt: Sequence[FaceInMemory],
    watched: Sequence[FaceInMemory],
    folder: Path,
    every: float,
) -> None:
    """Until it is over; ``every`` so many seconds look at ``watched``, and write what was learnt."""
    folder.mkdir(parents=True, exist_ok=True)
    begin = last = time.monotonic()
    step, losses = 0, list[Mapping[str, float]]()
    while not trainer.over:
        losses.append(trainer.step(next(batches)))
        step += 1
        if trainer.over:
            trainer.settle(learnt)
        elif time.monotonic() - last < every:
            continue
        entry = {"step": step, "minutes": round((time.monotonic() - begin) / 60, 1)}
        means = {
            f"{way} loss": round(sum(loss[way] for loss in losses) / len(losses), 3) for way in losses[0]
        }
        report = trainer.watch(watched)
        print(json.dumps(entry | means | report), flush=True)
        trainer.checkpoint({"step": step, "val": report}).save(folder / "networks.safetensors")
        last = time.monotonic()
        losses.clear()


def aucs_of(
    faces: Sequence[FaceInMemory], logits: Callable[[Tensor, Tensor], Mapping[str, float]]
) -> dict[str, float]:
    """AUC of every network on the middles of clips, every person alike; nothing unless both kinds are there.

    ``logits`` says what each network makes of one clip's views (1, views, frames + 4, 64, 64) and pairs
    (1, pairs, 2, 3, 144, 144).
    """
    if {face.genuine for face in faces} != {True, False}:
        return {}
    said: dict[str, dict[str, float]] = {}
    for face in faces:
        for way, logit in logits(*middle_of(face)).items():
            said.setdefault(way, {})[face.facts["file"]] = logit
    return {way: auc(values, [face.facts for face in faces]) for way, values in said.items()}
