"""A run that trains parts of the face network until its time is up, looking at ``val`` now and then.

What it needs to go on lies in ``last.pt`` beside what it has learnt; a run that was interrupted continues
from its last look as if it had never been stopped.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from outofsync.checkpoints.store import Checkpoint
from training.face import auc
from training.face_stretches import Batches, FaceInMemory, middle_of
from training.run_state import random_state, set_random_state, write_state

Batch = TypeVar("Batch", contravariant=True)
LAST = "last.pt"
LEARNT = "networks.safetensors"


class Trainer(Protocol[Batch]):
    """One or more networks in training, by the names of what they see."""

    device: str

    @property
    def over(self) -> bool:
        """Whether the steps are done, or the time is up."""

    @property
    def minutes(self) -> float:
        """Time spent, interruptions left out."""

    def step(self, batch: Batch) -> Mapping[str, float]:
        """Learn from one batch; the loss of each network."""

    def settle(self, learnt: Sequence[FaceInMemory]) -> None:
        """What is to be done once it is over, before it is looked at for the last time."""

    def watch(self, faces: Sequence[FaceInMemory]) -> dict[str, float]:
        """The AUC of each network."""

    def checkpoint(self, about: dict[str, object]) -> Checkpoint:
        """A face network with what was learnt."""

    def state_dict(self) -> dict[str, Any]:
        """All that it needs to go on."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""


def train(
    trainer: Trainer[Batch],
    batches: Batches[Batch],
    learnt: Sequence[FaceInMemory],
    watched: Sequence[FaceInMemory],
    folder: Path,
    every: float,
) -> None:
    """Until it is over; ``every`` so many seconds look at ``watched``, and write what was learnt.

    Goes on from the last look of a run in the same folder; does nothing where that had come to its end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    step = resumed(trainer, folder / LAST)
    following = batches.after(step)
    last, losses = time.monotonic(), list[Mapping[str, float]]()
    while not trainer.over:
        losses.append(trainer.step(next(following)))
        step += 1
        if trainer.over:
            trainer.settle(learnt)
        elif time.monotonic() - last < every:
            continue
        means = {
            f"{way} loss": round(sum(loss[way] for loss in losses) / len(losses), 3) for way in losses[0]
        }
        report = trainer.watch(watched)
        print(json.dumps({"step": step, "minutes": round(trainer.minutes, 1)} | means | report), flush=True)
        trainer.checkpoint({"step": step, "val": report}).save(folder / LEARNT)
        state = {"trainer": trainer.state_dict(), "step": step, "random": random_state(trainer.device)}
        write_state(state, folder / LAST)
        last = time.monotonic()
        losses.clear()


def resumed(trainer: Trainer[Any], path: Path) -> int:
    """How many steps the trainer has behind it, which goes on from a state where there is one."""
    if not path.exists():
        return 0
    state = torch.load(path, map_location=trainer.device, weights_only=True)
    trainer.load_state_dict(state["trainer"])
    set_random_state(state["random"], trainer.device)
    print(f"resumed at step {state['step']}", flush=True)
    return int(state["step"])


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
