"""A calibration: bands, the videos that bear them out, and the checkpoint that they belong to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Optional

from outofsync_client.calibration._bands import Bands, fit_bands
from outofsync_client.calibration._errors import (
    BadCalibrationError,
    TooFewVideosError,
    UncalibratedError,
    UnknownCheckpointError,
)
from outofsync_client.calibration._own import UNCALIBRATED, OwnVideos, Weights
from outofsync_client.calibration._promise import Promise, promise
from outofsync_client.calibration._scoring import ScoringCheckpoint

FORMAT = "outofsync-calibration/1"
FEWEST_VIDEOS = 20
FALSE_ALARMS = 0.05  # of genuine videos, where nothing else is asked for
LOWEST_ALARM = 0.5  # below, "likely fake" would contradict the probability
MOST_NAME = 100  # letters: it travels in every result


@dataclass(frozen=True)
class Calibration:
    """Bands fitted to videos of one's own.

    ``before`` are the bands that judged, ``before_name`` is what they are called, and ``shipped`` are those
    of training; ``judged_at`` is when the last of the videos was judged (UTC); ``options`` are those the
    videos were judged with. The bands mean nothing but to the networks of these SHA-256 sums.
    """

    name: str
    bands: Bands
    before: Bands
    before_name: str
    shipped: Bands
    videos: int
    left_out: int
    promise: Promise
    lowest_alarm: float
    options: Mapping[str, Any]
    judged_at: str
    sync_sha256: str
    scoring_sha256: str

    @property
    def weights(self) -> Weights:
        """The networks that these bands belong to."""
        return Weights(self.sync_sha256, self.scoring_sha256)

    def to_dict(self) -> dict[str, Any]:
        """What ``calibration.json`` holds."""
        return {
            "format": FORMAT,
            **vars(self),
            "bands": list(astuple(self.bands)),
            "before": list(astuple(self.before)),
            "shipped": list(astuple(self.shipped)),
            "promise": self.promise.to_dict(),
            "options": dict(self.options),
        }

    def write(self, path: Path) -> None:
        """Write ``calibration.json``, whole or not at all."""
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")
        partial.replace(path)

    @classmethod
    def read(cls, path: Path) -> Calibration:
        """Read what :meth:`write` wrote; raises :class:`BadCalibrationError` for anything else."""
        try:
            return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise BadCalibrationError(f"{path} cannot be read ({error.strerror})") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadCalibrationError(f"{path} is no calibration ({error})") from None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Calibration:
        """Raises KeyError, TypeError or ValueError where this is no calibration."""
        fields = {name: value for name, value in values.items() if name != "format"}
        if values["format"] != FORMAT:
            raise ValueError(f"its format is {values['format']!r}, not {FORMAT}")
        for which in ("bands", "before", "shipped"):
            fields[which] = Bands(*(float(band) for band in values[which]))
        fields["promise"] = Promise.from_dict(values["promise"])
        return cls(**fields)


def fit(
    videos: OwnVideos,
    checkpoint: ScoringCheckpoint,
    *,
    name: str,
    options: Optional[Mapping[str, Any]] = None,
    false_alarms: float = FALSE_ALARMS,
    lowest_alarm: float = LOWEST_ALARM,
) -> Calibration:
    """The calibration that these videos bear out, of the checkpoint that judged them.

    ``false_alarms``: the share of genuine videos that may be called fake or likely fake; ``lowest_alarm``:
    the least probability that is called so. Raises :class:`TooFewVideosError`,
    :class:`MixedCheckpointsError`, :class:`UnknownCheckpointError` where another checkpoint judged, and
    ValueError for shares that make no sense.
    """
    require_enough(videos)
    weights = videos.weights()
    if weights.scoring_sha256 != checkpoint.sha256:
        judged_by = weights.scoring_sha256[:12] or "(unnamed)"
        raise UnknownCheckpointError(
            f"the videos were judged by the scoring checkpoint {judged_by}…, not by {checkpoint.sha256[:12]}…"
        )
    people = videos.people
    bands = fit_bands(people, checkpoint.shipped, false_alarms=false_alarms, lowest_alarm=lowest_alarm)
    return Calibration(
        name=_checked_name(name),
        bands=bands,
        before=checkpoint.bands,
        before_name=checkpoint.name,
        shipped=checkpoint.shipped,
        videos=len(videos.judged),
        left_out=len(videos.left_out),
        promise=promise(people, bands, false_alarms),
        lowest_alarm=lowest_alarm,
        options=dict(options or {}),
        judged_at=videos.at,
        sync_sha256=weights.sync_sha256,
        scoring_sha256=weights.scoring_sha256,
    )


def require_enough(videos: OwnVideos) -> None:
    """Raises :class:`TooFewVideosError`, which says why the others were left out.

    Where that is because the server knows no probabilities, it is :class:`UncalibratedError`.
    """
    if len(videos.judged) >= FEWEST_VIDEOS:
        return
    if videos.reasons[UNCALIBRATED]:
        raise UncalibratedError("the server gives verdicts without probabilities: it has no calibration")
    judged = f"{len(videos.judged)} of {len(videos.judged) + len(videos.left_out)} videos could be judged"
    why = ", ".join(f"{count} {reason}" for reason, count in videos.reasons.most_common(3))
    raise TooFewVideosError(
        f"{judged}{f' (left out: {why})' if why else ''}, and bands take {FEWEST_VIDEOS} at least"
    )


def _checked_name(name: str) -> str:
    if not name.strip() or len(name) > MOST_NAME or not name.isprintable():
        raise ValueError(f"a calibration is called by 1 to {MOST_NAME} printable letters, unlike {name!r}")
    return name
