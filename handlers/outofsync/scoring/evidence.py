"""What the delays, features and pictures of one stretch of video say, as a few named numbers."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from outofsync.constants import MAX_DELAY
from outofsync.scoring.offset import expected_distance

EDGE = 2  # frames from no delay
NEAR = 3  # frames from a peak that are the peak's own
QUIETEST = 0.1  # logit by which the delays elsewhere differ at least


class Surprise(Protocol):
    """Both parts of the published score, of a segment or the mean of several."""

    @property
    def delay_score(self) -> float: ...
    @property
    def feature_score(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Evidence:
    """Numbers that the calibration weighs, of a segment or a video, read from the video's own offset."""

    delay_score: float  # Kullback–Leibler part of the published score
    feature_score: float  # squared-error part
    fit: float  # logit at the video's offset above the median over delays: how well lips and voice fit
    contrast: float  # logit at the segment's best delay above the median: how well they would fit if moved
    distance: float  # frames, absolute, from the video's offset to where the segment is to be expected to fit
    edge: float  # logit at the video's offset above that two frames away: how exactly they fit
    margin: float  # logit within a frame of the offset above the best elsewhere: how surely they fit there
    level: float  # logit at the video's offset: how well they fit, whatever they would do elsewhere
    # Standard deviations of the delays elsewhere by which the offset stands out from them. They grow quieter
    # the longer one listens, so that this grows with length where lips and voice belong together.
    prominence: float
    generated: float = 0.0  # mean logit of the face network, 0 where there is none

    @classmethod
    def of(
        cls,
        delays: NDArray[np.floating],
        score: Surprise,
        generated: float | None = None,
        elsewhere: NDArray[np.floating] | None = None,
    ) -> Evidence:
        """Evidence in aligned (windows, 31) delay logits, their score, and what the face network says.

        ``elsewhere`` holds mean logits at all delays that are known but those near the offset; by default,
        those among the 31.
        """
        mean = np.asarray(delays, np.float64).mean(0)
        median = float(np.median(mean))
        around = (mean[MAX_DELAY - EDGE] + mean[MAX_DELAY + EDGE]) / 2
        if elsewhere is None:
            elsewhere = away(mean, MAX_DELAY)
        level = float(mean[MAX_DELAY])
        return cls(
            delay_score=score.delay_score,
            feature_score=score.feature_score,
            fit=level - median,
            contrast=contrast_of(delays),
            distance=expected_distance(delays),
            edge=float(level - around),
            margin=float(mean[MAX_DELAY - 1 : MAX_DELAY + 2].max() - elsewhere.max()),
            level=level,
            prominence=float((level - elsewhere.mean()) / max(float(elsewhere.std()), QUIETEST)),
            generated=0.0 if generated is None else generated,
        )

    def as_array(self) -> NDArray[np.float64]:
        """(numbers,) in the order of :meth:`names`."""
        return np.array(astuple(self))

    @classmethod
    def names(cls) -> list[str]:
        return [field.name for field in fields(cls)]

    @classmethod
    def mean(cls, parts: list[Evidence], weights: list[int]) -> Evidence:
        """The weighted mean of several stretches."""
        return cls(*np.average([part.as_array() for part in parts], axis=0, weights=weights).tolist())


def away(curve: NDArray[np.floating], peak: int) -> NDArray[np.floating]:
    """What a curve (delays,) holds beyond the neighbourhood of a peak, the index of one of them."""
    elsewhere: NDArray[np.floating] = curve[np.abs(np.arange(len(curve)) - peak) > NEAR]
    return elsewhere


def contrast_of(delays: NDArray[np.floating]) -> float:
    """Logit at the best delay above the median of (windows, 31): how well lips and voice could fit."""
    mean = np.asarray(delays, np.float64).mean(0)
    return float(mean.max() - np.median(mean))
