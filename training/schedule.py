"""Learning rates of runs that end after so many steps, or when their time is up."""

from __future__ import annotations

import math
import time

from torch.optim import Optimizer

BEGIN, END = 1 / 25, 1e-5  # learning rates of the first and the last step, in shares of the highest


class OneCycle:
    """A learning rate that rises and falls once over a run, however the run is measured.

    A run ends after so many steps, or after so many minutes if these are over first; the rate falls all the
    way to its end in either case. (Smith and Topin, "Super-Convergence", 2018.)
    """

    def __init__(
        self, optimiser: Optimizer, rate: float, *, steps: int, warmup: float, minutes: float | None = None
    ) -> None:
        """``warmup`` is the share of the run in which the rate rises."""
        self._optimiser = optimiser
        self._rate, self._steps, self._warmup = rate, steps, warmup
        self._minutes = minutes or math.inf
        self._done, self._spent = 0, 0.0  # steps, seconds
        self._last: float | None = None
        self._apply()

    @property
    def progress(self) -> float:
        """From 0 at the beginning to 1 at the end of the run."""
        return min(1.0, max(self._done / self._steps, self._spent / 60 / self._minutes))

    @property
    def minutes(self) -> float:
        """Between the first step and the last one; nothing counts while nobody trains."""
        return self._spent / 60

    def step(self) -> None:
        """After every step of the optimiser."""
        now = time.monotonic()
        self._spent += now - (self._last or now)
        self._last = now
        self._done += 1
        self._apply()

    def _apply(self) -> None:
        progress = self.progress
        if progress < self._warmup:
            low, share = BEGIN, progress / self._warmup
        else:
            low, share = END, (1 - progress) / (1 - self._warmup)
        rate = self._rate * (low + (1 - low) * (1 - math.cos(math.pi * share)) / 2)
        for group in self._optimiser.param_groups:
            group["lr"] = rate

    def state_dict(self) -> dict[str, float]:
        return {"done": self._done, "spent": self._spent}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self._done, self._spent = int(state["done"]), float(state["spent"])
        self._apply()
