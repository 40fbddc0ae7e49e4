"""How surprising a segment is: the published score and its two parts, step by step (docs/method.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from outofsync.checkpoints.store import Checkpoint, CheckpointError
from outofsync.constants import MAX_WINDOWS
from outofsync.errors import ErrorCode, OutOfSyncError, Stage
from outofsync.scoring.projection import Projection
from outofsync.scoring.regressor import CHANNELS, Regressor

PROJECTED_AT_ONCE = 2048  # windows, so that a long video takes no more memory


@dataclass(frozen=True)
class Segment:
    """Consecutive windows scored together; 2 … 50 of them."""

    delays: NDArray[np.floating]  # (windows, 31) delay logits
    features: NDArray[np.floating]  # (windows, 31) projected features

    def __post_init__(self) -> None:
        windows = len(self.delays)
        if windows > MAX_WINDOWS or {self.delays.shape, self.features.shape} != {(windows, CHANNELS)}:
            raise ValueError(f"a segment of {self.delays.shape} delays and {self.features.shape} features")
        if windows < 2:
            message = f"{windows} window(s) of synchrony leave no step to score; it takes at least two"
            raise OutOfSyncError(ErrorCode.TOO_SHORT, message, stage=Stage.SCORING)


@dataclass(frozen=True)
class SegmentScore:
    """Surprise at each step from one window to the next."""

    delay_steps: NDArray[np.float64]  # (windows − 1,) Kullback–Leibler divergence in nats
    feature_steps: NDArray[np.float64]  # (windows − 1,) squared error of unit vectors

    @property
    def delay_score(self) -> float:
        """Mean divergence of the delay distributions."""
        return float(self.delay_steps.mean())

    @property
    def feature_score(self) -> float:
        """Mean squared error of the features."""
        return float(self.feature_steps.mean())

    def total(self, lam: float) -> float:
        """The published score: the delay part plus λ times the feature part; higher is more likely fake."""
        return self.delay_score + lam * self.feature_score


class Scorer:
    """Both regressors and the projection of one scoring checkpoint."""

    def __init__(
        self, delay: Regressor, feature: Regressor, projection: Projection, device: str = "cpu"
    ) -> None:
        self._delay = delay.to(device).eval()
        self._feature = feature.to(device).eval()
        self._projection = projection.to(device)
        self._device = device

    @torch.inference_mode()
    def project(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Features of a network (windows, size) → the 31 components that are scored (windows, 31)."""
        projected = [
            self._projection(torch.from_numpy(some).to(self._device)).cpu().numpy()
            for some in np.split(features, range(PROJECTED_AT_ONCE, len(features), PROJECTED_AT_ONCE))
        ]
        return np.concatenate(projected)

    def score_segments(self, segments: Sequence[Segment]) -> list[SegmentScore]:
        """Score segments, each in a pass of its own: matrix products round differently in other company."""
        return [self._score(segment) for segment in segments]

    @torch.inference_mode()
    def _score(self, segment: Segment) -> SegmentScore:
        # Losses are taken in double precision, as published.
        delays = torch.from_numpy(segment.delays).to(self._device, torch.float64)
        features = F.normalize(torch.from_numpy(segment.features).to(self._device, torch.float64), dim=-1)
        divergence = _divergence(_predict(self._delay, delays), delays[1:])
        error = (_predict(self._feature, features) - features[1:]).square().sum(-1)
        return SegmentScore(divergence.cpu().numpy(), error.cpu().numpy())


def _predict(regressor: Regressor, sequence: Tensor) -> Tensor:
    """Each step from the second on (steps, 31), predicted from those before it, float64."""
    prediction: Tensor = regressor(sequence[None, :-1].float())[0]
    return prediction.double()


def _divergence(output: Tensor, target: Tensor) -> Tensor:
    """KL(softmax(target) ‖ softmax(output)) over the 31 delays."""
    pointwise = F.kl_div(output.log_softmax(-1), target.log_softmax(-1), reduction="none", log_target=True)
    return pointwise.sum(-1)


def load_scorer(checkpoint: Checkpoint, device: str = "cpu") -> Scorer:
    """The scorer of a ``scoring`` checkpoint; raises :class:`CheckpointError` where tensors do not fit."""
    delay, feature = Regressor(), Regressor()
    try:
        delay.load_state_dict(_under("delay.", checkpoint))
        feature.load_state_dict(_under("feature.", checkpoint))
        projection = Projection(_under("projection.", checkpoint))
    except (RuntimeError, KeyError) as error:
        raise CheckpointError(f"these are not the tensors of a scoring checkpoint: {error}") from None
    return Scorer(delay, feature, projection, device)


def _under(prefix: str, checkpoint: Checkpoint) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in checkpoint.tensors.items()
        if name.startswith(prefix)
    }
