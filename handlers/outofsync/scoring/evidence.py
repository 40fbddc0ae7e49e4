"""What the delays and features of one stretch of video say, as a few named numbers."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from outofsync.constants import MAX_DELAY
from outofsync.scoring.score import SegmentScore

EDGE = 2  # frames from no delay


@dataclass(frozen=True, slots=True)
class Evidence:
    """Numbers that the calibration weighs; each is a mean over the windows of the stretch."""

    delay_score: float  # Kullback–Leibler part of the published score
    feature_score: float  # squared-error part
    fit: float  # logit at no delay above the median over delays: how well lips and voice fit
    contrast: float  # logit at the best delay above the median: how well they would fit if moved
    offset: float  # frames, absolute, from no delay to the best one
    edge: float  # logit at no delay above that two frames away: how exactly they fit

    @classmethod
    def of(cls, delays: NDArray[np.floating], score: SegmentScore) -> Evidence:
        """Evidence in (windows, 31) delay logits and their score."""
        logits = np.asarray(delays, np.float64)
        mean = logits.mean(0)
        best = int(mean.argmax())
        median = float(np.median(mean))
        near = (mean[MAX_DELAY - EDGE] + mean[MAX_DELAY + EDGE]) / 2
        return cls(
            score.delay,
            score.feature,
            float(mean[MAX_DELAY]) - median,
            float(mean[best]) - median,
            float(abs(best - MAX_DELAY)),
            float(mean[MAX_DELAY] - near),
        )

    def as_array(self) -> NDArray[np.float64]:
        return np.array(astuple(self))

    @classmethod
    def names(cls) -> list[str]:
        return [field.name for field in fields(cls)]

    @classmethod
    def mean(cls, parts: list[Evidence], weights: list[int]) -> Evidence:
        """The weighted mean of several stretches."""
        return cls(*np.average([part.as_array() for part in parts], axis=0, weights=weights).tolist())


def offset_of(delays: NDArray[np.floating]) -> tuple[int, float]:
    """The delay (frames) at which sound and picture fit best, and how sure that is (0 … 1).

    Positive: the sound comes late. Confidence is the share of the mean delay distribution within a
    frame of its peak.
    """
    logits = np.asarray(delays, np.float64)
    distribution = np.exp(logits - logits.max(1, keepdims=True))
    distribution = (distribution / distribution.sum(1, keepdims=True)).mean(0)
    best = int(logits.mean(0).argmax())
    near = distribution[max(0, best - 1) : best + 2]
    return best - MAX_DELAY, float(near.sum())
