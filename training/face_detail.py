"""Train the detail network of a face network further, by itself.

    python -m training.face_detail --packed packed/faces --minutes 75 --run-dir runs/face

Of every stretch it looks at eight frames alone, so that batches cost a quarter of what they cost
:mod:`training.face_network`: two cores get somewhere in an hour. Its weights go on from those of a checkpoint
and take their place in a copy of it; :mod:`training.face` then brings the ways of looking to one scale.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import convert_conv2d_weight_memory_format

from outofsync.checkpoints.store import Checkpoint
from training.face import network_of
from training.face_network import Learner, NetworkTraining
from training.face_run import aucs_of, train
from training.face_stretches import Batches, FaceInMemory, Pairs, Stretches, load


@dataclass(frozen=True)
class DetailTraining(NetworkTraining):
    """Everything that decides a run but the data."""

    minutes: float = 75.0
    detail_rate: float = 1.5e-3
    seed: int = 11


class DetailTrainer:
    """The detail network of one checkpoint, in training."""

    def __init__(self, networks: Path, settings: DetailTraining, device: str) -> None:
        torch.manual_seed(settings.seed)
        self._checkpoint = Checkpoint.load(networks, kind="face")
        self.settings, self.device = settings, device
        # Convolutions over channels that lie side by side take half the time on processors.
        network = convert_conv2d_weight_memory_format(network_of(networks).detail, torch.channels_last)
        self.learner = Learner(network, settings.detail_rate, settings, device)

    @property
    def over(self) -> bool:
        return self.learner.over

    @property
    def minutes(self) -> float:
        return self.learner.minutes

    def step(self, batch: tuple[Tensor, Tensor]) -> dict[str, float]:
        """The loss of one batch: pairs in colour (batch, pairs, …) and 1 where it is false, (batch,)."""
        looks, truth = (part.to(self.device, non_blocking=True) for part in batch)
        return {"detail": float(self.learner.step(looks, truth))}

    @torch.inference_mode()
    def watch(self, faces: Sequence[FaceInMemory]) -> dict[str, float]:
        """AUC on the middles of clips, every person alike; nothing if all are genuine."""
        return aucs_of(faces, lambda _, looks: {"detail": float(self.learner.average(looks.to(self.device)))})

    def settle(self, learnt: Sequence[FaceInMemory]) -> None:
        """Its norms hold what batches held, as they did in training."""

    def checkpoint(self, about: dict[str, object]) -> Checkpoint:
        """The face network with the average of what was learnt."""
        learnt = {f"detail.{name}": value.cpu() for name, value in self.learner.average.state_dict().items()}
        told = self._checkpoint.about | {"detail": {"settings": asdict(self.settings)} | about}
        return replace(self._checkpoint, tensors=self._checkpoint.tensors | learnt, about=told).halved()

    def state_dict(self) -> dict[str, Any]:
        return self.learner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.learner.load_state_dict(state)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    defaults = DetailTraining()
    parser.add_argument("--packed", type=Path, required=True, help="what training.packed --faces wrote")
    parser.add_argument(
        "--networks",
        type=Path,
        default=Path("checkpoints/face.safetensors"),
        help="a face network to go on from",
    )
    parser.add_argument("--run-dir", type=Path, default=Path("runs/face"))
    parser.add_argument("--minutes", type=float, default=defaults.minutes)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--workers", type=int, default=2, help="processes that make batches")
    parser.add_argument("--every", type=float, default=240, help="seconds between looks at val")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    settings = DetailTraining(minutes=arguments.minutes, seed=arguments.seed)
    learnt, watched = load(arguments.packed, "train"), load(arguments.packed, "val")
    print(f"{len(learnt)} clips to train on, {len(watched)} to look at", flush=True)
    pairs = Pairs(Stretches(learnt, settings.seed))
    batches = Batches(pairs, settings.batch, arguments.workers)
    trainer = DetailTrainer(arguments.networks, settings, arguments.device)
    train(trainer, batches, learnt, watched, arguments.run_dir, arguments.every)


if __name__ == "__main__":
    main()
