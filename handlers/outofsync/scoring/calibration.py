"""From evidence to the probability that a video was manipulated: fitted in training, part of a checkpoint.

Each *part* puts one question to a stretch of video (do lips and voice fit? was this face generated?) and
answers with a log-likelihood ratio: how much likelier this evidence is of a manipulated stretch than of a
genuine one. A video is one long stretch, whose evidence stands out the more the longer it is; and it has
segments, of which one alone may have been manipulated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from outofsync.checkpoints.store import CheckpointError
from outofsync.scoring.evidence import Evidence

Floats = NDArray[np.float64]

MOST = 8.0  # absolute log-likelihood ratio that is believed: beyond, nothing was ever measured
SURE = 30.0  # logit beyond which a probability is 0 or 1 in six decimals anyway


class Described(Protocol):
    """A video, or what stands for one."""

    @property
    def whole(self) -> Evidence: ...  # of all that was scored
    @property
    def evidence(self) -> Sequence[Evidence]: ...  # of each segment


@dataclass(frozen=True)
class Videos:
    """Evidence of some videos, and of their segments, one video after another."""

    whole: Floats  # (videos, numbers), in the order of Evidence.names()
    segments: Floats  # (segments, numbers)
    counts: NDArray[np.intp]  # (videos,) how many segments each has

    @classmethod
    def of(cls, videos: Sequence[Described]) -> Videos:
        """Of videos that have at least one segment each."""
        return cls(
            np.array([video.whole.as_array() for video in videos]),
            np.array([each.as_array() for video in videos for each in video.evidence]),
            np.array([len(video.evidence) for video in videos], np.intp),
        )

    def most(self, ratios: Floats) -> Floats:
        """Of ratios of all (segments,), how much likelier each video is if just one of its own is false.

        Returns log-likelihood ratios (videos,), in nats.
        """
        starts = np.concatenate([[0], np.cumsum(self.counts)[:-1]])
        likelihoods: Floats = np.log(np.add.reduceat(np.exp(ratios), starts) / self.counts)
        return likelihoods


@dataclass(frozen=True, slots=True)
class Part:
    """One question: a logistic model of standardised evidence.

    ``share`` is how many of all manipulations show in this part.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    share: float = 1.0

    def ratios(self, evidence: Floats) -> Floats:
        """Log-likelihood ratio (nats) of each row (…, numbers); positive speaks for a manipulation."""
        standard = (chosen(evidence, self.names) - np.array(self.mean)) / np.array(self.scale)
        ratios: Floats = (standard @ np.array(self.weights) + self.bias).clip(-MOST, MOST)
        return ratios


def chosen(evidence: Floats, names: Sequence[str]) -> Floats:
    """(rows, names) of the named numbers."""
    order = Evidence.names()
    return evidence[:, [order.index(name) for name in names]]


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
    whole: Evidence
    evidence: Sequence[Evidence]


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
        return self.video(evidence, [evidence])

    def video(self, whole: Evidence, evidence: Sequence[Evidence]) -> Assessment:
        """A video of which all that was scored, and each segment, says so much."""
        video = Videos.of([_Video(whole, evidence)])
        throughout, somewhere = self._stories(video)
        joined = self._weighed(throughout, somewhere, video)
        alone = {name: part.ratios(video.whole) for name, part in self.parts.items()}
        return Assessment(
            float(self.probabilities(joined)[0]),
            {name: float(self.probabilities(ratios)[0]) for name, ratios in alone.items()},
            0.0 if len(evidence) < 2 else self.span_share * float(np.exp(somewhere - joined)[0]),
        )

    def joined(self, videos: Videos) -> Floats:
        """Log-likelihood ratio (videos,), in nats.

        Two stories are weighed against "nothing was manipulated": that all of it was, and that one segment
        was. Of a single segment they are the same.
        """
        return self._weighed(*self._stories(videos), videos)

    def _weighed(self, throughout: Floats, somewhere: Floats, videos: Videos) -> Floats:
        both = np.logaddexp(throughout + np.log1p(-self.span_share), somewhere + np.log(self.span_share))
        return np.where(videos.counts > 1, both, throughout)

    def logits(self, videos: Videos) -> Floats:
        """Logit of each video's probability (videos,)."""
        return self.slope * self.joined(videos) + self.bias

    def probabilities(self, ratios: Floats) -> Floats:
        """Probability that each video with such a ratio (videos,), in nats, was manipulated."""
        probabilities: Floats = 1.0 / (1.0 + np.exp(-(self.slope * ratios + self.bias).clip(-SURE, SURE)))
        return probabilities

    def _stories(self, videos: Videos) -> tuple[Floats, Floats]:
        """Ratios of "all of it was manipulated" and of "one segment was"; any part may have seen it."""
        shares = np.array([part.share for part in self.parts.values()])
        throughout, somewhere = [], []
        for part, share in zip(self.parts.values(), np.log(shares / shares.sum()), strict=True):
            throughout.append(share + part.ratios(videos.whole))
            somewhere.append(share + videos.most(part.ratios(videos.segments)))
        return np.logaddexp.reduce(throughout), np.logaddexp.reduce(somewhere)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Calibration:
        """Read a checkpoint's calibration; raises :class:`CheckpointError` for one of another layout."""
        try:
            parts = {name: Part(**_tuples(part)) for name, part in values["parts"].items()}
            if unknown := {name for part in parts.values() for name in part.names} - set(Evidence.names()):
                raise KeyError(unknown)
            promise = {name: tuple(bounds) for name, bounds in values.get("promise", {}).items()}
            return cls(**_tuples({**values, "parts": parts, "promise": promise}))
        except (KeyError, TypeError):
            message = "its calibration is of another version; fit it anew (python -m training.regressors)"
            raise CheckpointError(message) from None


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
