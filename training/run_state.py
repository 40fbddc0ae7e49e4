"""What every training run keeps on disk, so that it goes on as if it had never been interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.swa_utils import get_ema_multi_avg_fn

from training.distributed import ProcessGroup
from training.schedule import OneCycle

EARLY_STEPS = 10  # about how many an average looks back at first


class ResumableRun:
    """A network in training, the moving average of its weights, and how far they have come.

    What follows from the saved state is the same, bit for bit on a processor, as if nobody had stopped. More
    steps than before stretch the schedule: the rate goes on where a run of that length would be.
    """

    network: nn.Module
    average: nn.Module
    step: int
    best: float
    idle: int = 0  # looks at val since the best one
    _optimiser: Optimizer
    _schedule: OneCycle
    group: ProcessGroup

    @property
    def progress(self) -> float:
        """From 0 at the beginning to 1 at the end of the run."""
        return self._schedule.progress

    @property
    def minutes(self) -> float:
        """Time spent, interruptions left out."""
        return self._schedule.minutes

    def save(self, path: Path) -> None:
        """Everything that resuming needs; a crash never leaves half of it under its real name.

        All processes of a group take part, for each draws batches of its own; the main one writes.
        """
        random = self.group.gather(self._random_state())
        if not self.group.is_main:
            return
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state_dict(),
            "step": self.step,
            "best": self.best,
            "idle": self.idle,
            "random": random,
        }
        write_state(state, path)

    def resume(self, path: Path) -> None:
        """Go on where :meth:`save` left off; raises ``ValueError`` for a state of an earlier version."""
        state = torch.load(path, map_location=self.group.device, weights_only=True)
        if "random" not in state:
            raise ValueError(f"{path} is of an earlier version of training, which kept too little to go on")
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._schedule.load_state_dict(state["schedule"])
        self.step, self.best, self.idle = state["step"], state["best"], state["idle"]
        # Another number of processes cuts the batches otherwise: there is nothing to repeat.
        if len(state["random"]) == self.group.world_size:
            self._set_random_state(state["random"][self.group.rank])

    def _random_state(self) -> dict[str, Any]:
        return random_state(self.group.device)

    def _set_random_state(self, state: dict[str, Any]) -> None:
        set_random_state(state, self.group.device)

    def _update_average(self, keep: float) -> None:
        """Move the average towards the weights; ``keep`` is the share of it that stays."""
        update_average(self.average, self.network, keep, self.step)


def write_state(state: dict[str, Any], path: Path) -> None:
    """A crash never leaves half of it under its real name."""
    torch.save(state, path.with_suffix(".partial"))
    path.with_suffix(".partial").replace(path)


def random_state(device: str) -> dict[str, Any]:
    """The state of all that this process draws with."""
    on_gpu = torch.device(device).type == "cuda"
    return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state(device) if on_gpu else None}


def set_random_state(state: dict[str, Any], device: str) -> None:
    """Draw from now on what would have been drawn from :func:`random_state` on."""
    torch.set_rng_state(state["cpu"].cpu())
    if state["cuda"] is not None and torch.device(device).type == "cuda":
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, keep: float, step: int) -> None:
    """Move the average of a network's weights towards them; ``keep`` is the share of it that stays.

    Less stays in the first steps, so that the average soon forgets the weights it began with. (torch's
    ``AveragedModel`` takes the first weights as they are, and asks the card in every step how many it has
    seen.)
    """
    keep = min(keep, step / (step + EARLY_STEPS))
    means, values = average.state_dict(), network.state_dict()
    learnt = [name for name, mean in means.items() if mean.dtype.is_floating_point]
    move = get_ema_multi_avg_fn(keep)  # type: ignore[no-untyped-call]
    move([means[name] for name in learnt], [values[name] for name in learnt], step)
    for name in means.keys() - set(learnt):
        means[name].copy_(values[name])
