"""What every training run keeps on disk, so that it can go on where it was interrupted."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


class ResumableRun:
    """A network in training, the moving average of its weights, and how far they have come."""

    network: nn.Module
    average: nn.Module
    step: int
    best: float
    _optimiser: Optimizer
    _schedule: LRScheduler
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

    @torch.no_grad()
    def _update_average(self, keep: float) -> None:
        """Move the average towards the weights; ``keep`` is the share of it that stays."""
        for mean, value in zip(
            self.average.state_dict().values(), self.network.state_dict().values(), strict=True
        ):
            if mean.dtype.is_floating_point:
                mean.lerp_(value, 1 - keep)
            else:
                mean.copy_(value)

    def resume(self, path: Path) -> None:
        """Go on where :meth:`save` left off."""
        state = torch.load(path, map_location=self._device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._schedule.load_state_dict(state["schedule"])
        self.step, self.best = state["step"], state["best"]
