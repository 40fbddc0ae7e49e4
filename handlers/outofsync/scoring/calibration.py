"""From evidence to the probability that a video was manipulated: fitted in training, part of a checkpoint.

Each *part* puts one question to a segment (do lips and voice fit? was this face generated?) and answers with
a log-likelihood ratio: how much likelier this evidence is of a manipulated segment than of a genuine one.
What segments say is added up over a video, less what they merely repeat,
so that a longer video is judged more surely.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from outofsync.checkpoints.store import CheckpointError
from outofsync.constants import MAX_WINDOWS
from outofsync.scoring.evidence import Evidence

Floats = NDArray[np.float64]

MOST = 8.0  # absolute log-likelihood ratio of one segment that is believed: beyond, nothing was ever measured
SURE = 30.0  # logit beyond which a probability is 0 or 1 in six decimals anyway


@dataclass(frozen=True)
class Segments:
    """Evidence of the segments of some videos, one video after another."""

    evidence: Floats  # (segments, numbers), in the order of Evidence.names()
    windows: Floats  # (segments,) how long each is, in segments of 50 windows
    starts: NDArray[np.intp]  # (videos,) the first segment of each

    @classmethod
    def of(cls, videos: Sequence[Described]) -> Segments:
        """Of videos that have at least one segment each."""
        counts = [len(video.evidence) for video in videos]
        rows = [each.as_array() for video in videos for each in video.evidence]
        windows = [count for video in videos for count in video.windows]
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.intp)
        return cls(np.array(rows), np.array(windows) / MAX_WINDOWS, starts)

    @property
    def counts(self) -> NDArray[np.intp]:
        """How many segments each video has."""
        return np.diff(np.append(self.starts, len(self.windows)))

    @property
    def case(self) -> NDArray[np.intp]:
        """Which video each segment belongs to."""
        return np.repeat(np.arange(len(self.starts)), self.counts)

    def values(self, names: Sequence[str]) -> Floats:
        """(segments, names) of the named numbers."""
        order = Evidence.names()
        return self.evidence[:, [order.index(name) for name in names]]

    def summed(self, values: Floats) -> Floats:
        """The sum over each video's segments."""
        sums: Floats = np.add.reduceat(values, self.starts)
        return sums


class Described(Protocol):
    """A video, or what stands for one: its segments' evidence, and how many windows each has."""

    @property
    def evidence(self) -> Sequence[Evidence]: ...
    @property
    def windows(self) -> Sequence[int]: ...


@dataclass(frozen=True, slots=True)
class Part:
    """One question: a logistic model of standardised evidence.

    ``share`` is how many of all manipulations show in this part; ``correlation`` how far segments of one
    video repeat one another (0: each is news, 1: the second says nothing that the first did not).
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    correlation: float = 0.5
    share: float = 1.0

    def ratios(self, segments: Segments) -> Floats:
        """Log-likelihood ratio (nats) of each segment; positive speaks for a manipulation."""
        standard = (segments.values(self.names) - np.array(self.mean)) / np.array(self.scale)
        ratios: Floats = (standard @ np.array(self.weights) + self.bias).clip(-MOST, MOST)
        return ratios

    def together(self, ratios: Floats, segments: Segments) -> Floats:
        """Log-likelihood ratio of each video as a whole.

        A segment of 50 windows counts as one; n that each repeat a share of the others count as
        n / (1 + (n − 1) · correlation).
        """
        length = segments.summed(segments.windows)
        total = segments.summed(ratios * segments.windows)
        return total / (1.0 + (length - 1.0).clip(0) * self.correlation)


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a calibration makes of a video, or of one segment."""

    probability: float
    parts: dict[str, float]  # probability by each part alone
    span: float  # share of the suspicion that rests on one stretch of a video that is otherwise genuine

    @property
    def leading(self) -> str:
        """The part that speaks most for a manipulation."""
        return max(self.parts, key=lambda name: self.parts[name])


@dataclass(frozen=True, slots=True)
class _Video:
    evidence: Sequence[Evidence]
    windows: Sequence[int]


@dataclass(frozen=True, slots=True)
class Calibration:
    """All parts, how they are joined, and where one verdict gives way to the next.

    ``bands`` are the probabilities below which a video is real, likely real and likely fake. ``slope`` and
    ``bias`` bring the joined log-likelihood ratio to a logit. ``promise`` holds, for an alarm
    (``likely_fake`` or worse) and for ``fake``, the share of genuine videos expected above it, with its 95 %
    interval.
    """

    parts: dict[str, Part]
    usual_fit: float  # the median fit of genuine video
    slope: float = 1.0
    bias: float = 0.0
    span_share: float = 0.1  # of manipulations that touch one segment only
    bands: tuple[float, float, float] = (0.3, 0.5, 0.7)
    promise: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    name: str = "shipped"

    def segment(self, evidence: Evidence) -> Assessment:
        """One segment by itself."""
        return self.video([evidence], [MAX_WINDOWS])

    def video(self, evidence: Sequence[Evidence], windows: Sequence[int]) -> Assessment:
        """All segments of a video and how many windows each has."""
        segments = Segments.of([_Video(evidence, windows)])
        stories = self._stories(segments)
        joined = self._weighed(stories, segments)
        alone = {name: part.together(part.ratios(segments), segments) for name, part in self.parts.items()}
        return Assessment(
            float(self.probabilities(joined)[0]),
            {name: float(self.probabilities(ratios)[0]) for name, ratios in alone.items()},
            0.0 if len(evidence) < 2 else self.span_share * float(np.exp(stories[1] - joined)[0]),
        )

    def joined(self, segments: Segments) -> Floats:
        """Log-likelihood ratio of each video.

        Two stories are weighed against "nothing was manipulated": that all of it was, and that one segment
        was. Of a single segment they are the same.
        """
        return self._weighed(self._stories(segments), segments)

    def _weighed(self, stories: tuple[Floats, Floats], segments: Segments) -> Floats:
        throughout, somewhere = stories
        both = np.logaddexp(throughout + np.log1p(-self.span_share), somewhere + np.log(self.span_share))
        return np.where(segments.counts > 1, both, throughout)

    def logits(self, segments: Segments) -> Floats:
        """Logit of each video's probability."""
        return self.slope * self.joined(segments) + self.bias

    def probabilities(self, ratios: Floats) -> Floats:
        """Probability that each video with such a ratio was manipulated."""
        probabilities: Floats = 1.0 / (1.0 + np.exp(-(self.slope * ratios + self.bias).clip(-SURE, SURE)))
        return probabilities

    def _stories(self, segments: Segments) -> tuple[Floats, Floats]:
        """Ratios of "all of it was manipulated" and of "one segment was"; any part may have seen it."""
        shares = np.array([part.share for part in self.parts.values()])
        throughout, somewhere = [], []
        for part, share in zip(self.parts.values(), np.log(shares / shares.sum()), strict=True):
            ratios = part.ratios(segments)
            throughout.append(share + part.together(ratios, segments))
            somewhere.append(share + np.log(segments.summed(np.exp(ratios)) / segments.counts))
        return np.logaddexp.reduce(throughout), np.logaddexp.reduce(somewhere)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Calibration:
        """Read a checkpoint's calibration; raises :class:`CheckpointError` for one of another layout."""
        try:
            parts = {name: Part(**_tuples(part)) for name, part in values["parts"].items()}
            promise = {name: tuple(bounds) for name, bounds in values.get("promise", {}).items()}
            return cls(**_tuples({**values, "parts": parts, "promise": promise}))
        except (KeyError, TypeError):
            message = "its calibration is of another version; fit it anew (python -m training.regressors)"
            raise CheckpointError(message) from None


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
