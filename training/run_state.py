"""What every training run keeps on disk, so that it can go on where it was interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn
from torch.optim import Optimizer

EARLY_STEPS = 10  # about how many an average looks back at first


class Schedule(Protocol):
    """Whatever sets learning rates."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None: ...


class ResumableRun:
    """A network in training, the moving average of its weights, and how far they have come."""

    network: nn.Module
    average: nn.Module
    step: int
    best: float
    _optimiser: Optimizer
    _schedule: Schedule
    _device: str | torch.device

    def save(self, path: Path) -> None:
        """Everything that resuming needs; a crash never leaves half of it under its real name."""
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state_dict(),
            "step": self.step,
            "best": self.best,
        }
        torch.save(state, path.with_suffix(".partial"))
        path.with_suffix(".partial").replace(path)

    def _update_average(self, keep: float) -> None:
        """Move the average towards the weights; ``keep`` is the share of it that stays."""
        update_average(self.average, self.network, keep, self.step)

    def resume(self, path: Path) -> None:
        """Go on where :meth:`save` left off."""
        state = torch.load(path, map_location=self._device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._schedule.load_state_dict(state["schedule"])
        self.step, self.best = state["step"], state["best"]


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, keep: float, step: int) -> None:
    """Move the average of a network's weights towards them; ``keep`` is the share of it that stays.

    Less stays in the first steps, so that the average soon forgets the weights it began with.
    """
    keep = min(keep, step / (step + EARLY_STEPS))
    means, values = average.state_dict(), network.state_dict()
    learnt = [name for name, mean in means.items() if mean.dtype.is_floating_point]
    torch._foreach_lerp_([means[name] for name in learnt], [values[name] for name in learnt], 1 - keep)
    for name in means.keys() - set(learnt):
        means[name].copy_(values[name])
