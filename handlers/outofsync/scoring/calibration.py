"""From evidence to the probability that a stretch was manipulated: a logistic model, fitted in training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from outofsync.scoring.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Calibration:
    """Weights of a logistic regression on standardised evidence, and where one verdict gives way to the next.

    ``bands`` are the probabilities below which a video is real, likely real and likely fake.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    usual_fit: float  # the median fit of genuine video
    bands: tuple[float, float, float] = (0.3, 0.5, 0.7)

    def probability(self, evidence: Evidence) -> float:
        """Probability 0 … 1 that a stretch with this evidence is manipulated."""
        values = np.array([getattr(evidence, name) for name in self.names])
        standard = (values - np.array(self.mean)) / np.array(self.scale)
        logit = float(np.dot(standard, self.weights)) + self.bias
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, logit))))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Calibration:
        """Read a checkpoint's calibration."""
        listed: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        return cls(**listed)
