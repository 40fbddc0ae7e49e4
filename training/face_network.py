"""Train what the face network sees with: the front and what judges its movement, and the detail network.

    python -m training.packed --faces --output-dir packed/faces
    python -m training.face_network --packed packed/faces --minutes 7 --run-dir runs/face

End to end, on stretches that are cut, made false and degraded anew for every batch; both ways of looking
learn from the same batches, each by itself, so that neither leaves to the other what it could find. On a
GPU minutes are enough, and most of the time goes into making batches (``--workers``). Interrupted runs
resume from ``last.pt``. What is written is the moving average of the weights; texture and the scales of the
ways are added by :mod:`training.face`.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outofsync.appearance.network import FaceConfig, FaceNetwork, Logistic, movement
from outofsync.checkpoints.store import Checkpoint
from outofsync.synchrony.embedding import EmbeddingConfig, VisualFront
from outofsync.synchrony.embedding.inputs import normalise_pictures
from training.face_run import aucs_of, train
from training.face_stretches import Batches, FaceInMemory, Stretch, Stretches, load, middle_of
from training.run_state import update_average
from training.schedule import OneCycle

AVERAGE = 0.995  # decay of the moving average of the weights
FRONTS = {"sync": "visual_front.", "face": "front."}  # under which a checkpoint keeps what it sees with
SMOOTHING = 0.05  # of what is true
NORM_MOMENTUM = 0.02
CLIP = 2.0  # largest norm of a gradient


@dataclass(frozen=True)
class NetworkTraining:
    """Everything that decides a run but the data."""

    minutes: float = 7.0
    steps: int = 100_000
    batch: int = 48
    movement_rate: float = 1e-3
    detail_rate: float = 2e-3
    decay: float = 0.05
    seed: int = 0


def front_of(path: Path) -> VisualFront:
    """The front of a synchronisation network, or that of an earlier face network."""
    checkpoint = Checkpoint.load(path)
    prefix = FRONTS[checkpoint.kind]
    front = VisualFront(EmbeddingConfig(picture=FaceConfig().picture)).eval()
    front.load_state_dict(
        {
            name.removeprefix(prefix): tensor
            for name, tensor in checkpoint.tensors.items()
            if name.startswith(prefix)
        }
    )
    return front


class Movement(nn.Module):
    """The front, and a logistic regression of how far its numbers go."""

    def __init__(self, front: nn.Module) -> None:
        super().__init__()
        self.config = FaceConfig()
        self.front = front
        numbers = len(self.config.views) * len(self.config.lags) * EmbeddingConfig().width
        self.norm = nn.BatchNorm1d(numbers, affine=False, momentum=NORM_MOMENTUM)
        self.dropout = nn.Dropout(0.3)
        self.out = nn.Linear(numbers, 1)

    def forward(self, views: Tensor) -> Tensor:
        """uint8 (batch, views, frames + 4, side, side) → logits (batch,)."""
        with torch.autocast(views.device.type, enabled=False):
            out: Tensor = self.out(self.dropout(self.norm(self.moved(views))))[:, 0]
        return out

    def moved(self, views: Tensor) -> Tensor:
        """How far each number of the front goes: (batch, numbers)."""
        pictures = normalise_pictures(views.float()).flatten(0, 1)
        with torch.autocast(views.device.type, torch.bfloat16, enabled=self.training):
            vectors = self.front(pictures).unflatten(0, views.shape[:2])
        return movement(vectors.float(), self.config.lags)

    def logistic(self) -> Logistic:
        """The same regression as it is served."""
        numbers = self.out.in_features
        head = Logistic(numbers)
        assert self.norm.running_mean is not None
        assert self.norm.running_var is not None
        head.mean.copy_(self.norm.running_mean)
        head.spread.copy_((self.norm.running_var + self.norm.eps).sqrt())
        head.out.load_state_dict(self.out.state_dict())
        return head


class Learner:
    """One network in training, and the average of its weights."""

    def __init__(self, network: nn.Module, rate: float, settings: NetworkTraining, device: str) -> None:
        self.network = network.to(device)
        self.average = copy.deepcopy(self.network).eval()
        self._optimiser = torch.optim.AdamW(network.parameters(), rate, weight_decay=settings.decay)
        self._schedule = OneCycle(
            self._optimiser, rate, steps=settings.steps, warmup=0.1, minutes=settings.minutes
        )
        self._steps = 0

    @property
    def over(self) -> bool:
        return self._schedule.progress >= 1

    @property
    def minutes(self) -> float:
        return self._schedule.minutes

    def step(self, inputs: Tensor, truth: Tensor) -> Tensor:
        """One batch of inputs and its truth (batch,), 1 for false; returns the loss ()."""
        self.network.train()
        with torch.autocast(inputs.device.type, torch.bfloat16):
            said = self.network(inputs)
        loss = F.binary_cross_entropy_with_logits(said, truth * (1 - 2 * SMOOTHING) + SMOOTHING)
        self._optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        self._optimiser.step()
        self._schedule.step()
        self._steps += 1
        update_average(self.average, self.network, AVERAGE, self._steps)
        return loss.detach()

    def state_dict(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self._parts().items()} | {"steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self._steps = state["steps"]

    def _parts(self) -> dict[str, Any]:
        return {
            "network": self.network,
            "average": self.average,
            "optimiser": self._optimiser,
            "schedule": self._schedule,
        }


class FaceTrainer:
    """Both ways of looking, in training."""

    def __init__(self, front: Path, settings: NetworkTraining, device: str) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.device = settings, device
        self.movement = Learner(Movement(front_of(front)), settings.movement_rate, settings, device)
        detail = FaceNetwork(FaceConfig()).detail
        self.detail = Learner(detail, settings.detail_rate, settings, device)

    @property
    def over(self) -> bool:
        return self.movement.over

    @property
    def minutes(self) -> float:
        return self.movement.minutes

    def step(self, batch: Stretch) -> dict[str, float]:
        """Both losses."""
        views, looks, truth = (part.to(self.device, non_blocking=True) for part in batch)
        losses = self.movement.step(views, truth), self.detail.step(looks, truth)
        movement, detail = torch.stack(losses).tolist()
        return {"movement": movement, "detail": detail}

    @torch.inference_mode()
    def watch(self, faces: Sequence[FaceInMemory]) -> dict[str, float]:
        """AUC of each way on the middles of clips, every person alike; nothing if all are genuine."""
        return aucs_of(
            faces,
            lambda views, looks: {
                "movement": float(self.movement.average(views.to(self.device))),
                "detail": float(self.detail.average(looks.to(self.device))),
            },
        )

    @torch.inference_mode()
    def settle(self, learnt: Sequence[FaceInMemory]) -> None:
        """Standardise movement by clips as they are: most of what batches held was degraded."""
        network = self.movement.average
        assert isinstance(network, Movement)
        moved = torch.cat([network.moved(middle_of(face)[0].to(self.device)) for face in learnt])
        network.norm.load_state_dict(
            network.norm.state_dict() | {"running_mean": moved.mean(0), "running_var": moved.var(0)}
        )

    def checkpoint(self, about: dict[str, object]) -> Checkpoint:
        """Both averages as parts of a face network; its texture has yet to be fitted."""
        network = FaceNetwork(FaceConfig())
        moving = self.movement.average.cpu()
        assert isinstance(moving, Movement)
        network.front.load_state_dict(moving.front.state_dict())
        network.movement.load_state_dict(moving.logistic().state_dict())
        network.detail.load_state_dict(self.detail.average.state_dict())
        moving.to(self.device)
        told = {"settings": asdict(self.settings)} | about
        return Checkpoint(
            "face", "movement", asdict(network.config), network.state_dict(), about=told
        ).halved()

    def state_dict(self) -> dict[str, Any]:
        return {"movement": self.movement.state_dict(), "detail": self.detail.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.movement.load_state_dict(state["movement"])
        self.detail.load_state_dict(state["detail"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    defaults = NetworkTraining()
    parser.add_argument("--packed", type=Path, required=True, help="what training.packed --faces wrote")
    parser.add_argument(
        "--front", type=Path, default=Path("checkpoints/sync.safetensors"), help="a checkpoint to begin with"
    )
    parser.add_argument("--run-dir", type=Path, default=Path("runs/face"))
    parser.add_argument("--leave-out", nargs="*", default=[], help="generators not to learn from")
    parser.add_argument("--minutes", type=float, default=defaults.minutes)
    parser.add_argument("--batch", type=int, default=defaults.batch)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--workers", type=int, default=2, help="processes that make batches")
    parser.add_argument("--every", type=float, default=60, help="seconds between looks at val")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    settings = NetworkTraining(minutes=arguments.minutes, batch=arguments.batch, seed=arguments.seed)
    learnt = load(arguments.packed, "train", leave_out=arguments.leave_out)
    watched = load(arguments.packed, "val")
    print(f"{len(learnt)} clips to train on, {len(watched)} to look at", flush=True)
    batches = Batches(Stretches(learnt, settings.seed), settings.batch, arguments.workers)
    trainer = FaceTrainer(arguments.front, settings, arguments.device)
    train(trainer, batches, learnt, watched, arguments.run_dir, arguments.every)


if __name__ == "__main__":
    main()
