"""How surprising a segment is: the published score and its two parts, step by step (METHOD: Score)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
from outofsync.scoring.regressor import CHANNELS, STEPS, Regressor

# Every pass has this many segments, padded with zeros: a matrix product may round differently when its shape
# changes, and a segment's score must not depend on its company.
SEGMENTS_PER_PASS = 16


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
    def delay(self) -> float:
        """Mean divergence of the delay distributions."""
        return float(self.delay_steps.mean())

    @property
    def feature(self) -> float:
        """Mean squared error of the features."""
        return float(self.feature_steps.mean())

    def total(self, lam: float) -> float:
        """The published score: the delay part plus λ times the feature part; higher is more likely fake."""
        return self.delay + lam * self.feature


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
        projected: NDArray[np.float64] = (
            self._projection(torch.from_numpy(features).to(self._device)).cpu().numpy()
        )
        return projected

    @torch.inference_mode()
    def score_segments(self, segments: Sequence[Segment]) -> list[SegmentScore]:
        """Score segments, possibly of several clips, in fixed-size passes."""
        scores: list[SegmentScore] = []
        for first in range(0, len(segments), SEGMENTS_PER_PASS):
            group = segments[first : first + SEGMENTS_PER_PASS]
            delays = _padded([segment.delays for segment in group], self._device)
            features = F.normalize(_padded([segment.features for segment in group], self._device), dim=-1)
            divergence = _divergence(_predict(self._delay, delays), delays[:, 1:])
            error = (_predict(self._feature, features) - features[:, 1:]).square().sum(-1)
            scores.extend(
                SegmentScore(kl[: len(segment.delays) - 1], err[: len(segment.delays) - 1])
                for segment, kl, err in zip(group, _rows(divergence), _rows(error), strict=False)
            )
        return scores


def _padded(sequences: Sequence[NDArray[np.floating]], device: str) -> Tensor:
    """Zero-padded float64 (passes, 50, 31): losses are taken in double precision as published."""
    batch = np.zeros((SEGMENTS_PER_PASS, STEPS + 1, CHANNELS))
    for row, sequence in zip(batch, sequences, strict=False):
        row[: len(sequence)] = sequence
    return torch.from_numpy(batch).to(device)


def _predict(regressor: Regressor, sequence: Tensor) -> Tensor:
    """Prediction of steps 1 … 49 from steps 0 … 48, float64."""
    prediction: Tensor = regressor(sequence[:, :-1].float())
    return prediction.double()


def _divergence(output: Tensor, target: Tensor) -> Tensor:
    """KL(softmax(target) ‖ softmax(output)) over the 31 delays."""
    pointwise = F.kl_div(output.log_softmax(-1), target.log_softmax(-1), reduction="none", log_target=True)
    return pointwise.sum(-1)


def _rows(steps: Tensor) -> Iterator[NDArray[np.float64]]:
    yield from steps.cpu().numpy()


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
