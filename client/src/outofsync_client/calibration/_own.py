"""The videos of one folder: whose they are, and what the server said of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from outofsync_client._result import FAKE_VERDICTS, INCONCLUSIVE
from outofsync_client.batch.files import sha256_of
from outofsync_client.batch.ledger import Ledger
from outofsync_client.calibration._bands import Bands
from outofsync_client.calibration._errors import MixedCheckpointsError

ALIGNED = "probability_aligned"  # where the sound lags throughout: with that put right
UNREADABLE = "unreadable_file"  # here, so that no server was asked
UNCALIBRATED = "uncalibrated"  # a verdict without a probability


class Weights(NamedTuple):
    """Which networks judged, by the SHA-256 of their files."""

    sync_sha256: str
    scoring_sha256: str


@dataclass(frozen=True)
class OwnVideo:
    """A genuine video with a probability (0 to 1) by which the bands tell its verdict.

    ``offset``: its sound lags throughout, and the probability is that of the video once that was put right;
    it is inconclusive unless it is an alarm.
    """

    path: Path
    person: str
    probability: float
    weights: Weights
    offset: bool = False

    def verdict(self, bands: Bands) -> str:
        """What the server says of it by these bands."""
        word = bands.verdict(self.probability)
        return INCONCLUSIVE if self.offset and word not in FAKE_VERDICTS else word


@dataclass(frozen=True)
class LeftOut:
    """A video without one, and why: codes of reasons, or of an error."""

    path: Path
    why: str


@dataclass(frozen=True)
class OwnVideos:
    """All videos of a folder; ``at`` is when the last of them was judged (UTC)."""

    judged: tuple[OwnVideo, ...]
    left_out: tuple[LeftOut, ...]
    at: str

    @property
    def people(self) -> dict[str, list[float]]:
        """The probabilities of each person's videos."""
        people: dict[str, list[float]] = {}
        for video in self.judged:
            people.setdefault(video.person, []).append(video.probability)
        return people

    def share(self, bands: Bands, verdicts: Container[str]) -> float:
        """How much (0 to 1) of them is called one of these by the bands, every person alike."""
        people: dict[str, list[bool]] = {}
        for video in self.judged:
            people.setdefault(video.person, []).append(video.verdict(bands) in verdicts)
        return sum(sum(videos) / len(videos) for videos in people.values()) / len(people)

    @property
    def reasons(self) -> Counter[str]:
        """How many videos were left out for which reason."""
        return Counter(video.why for video in self.left_out)

    def spread(self, count: int) -> list[Path]:
        """So many of them (at least 2), or all where there are fewer: from the most genuine to the least."""
        ranked = sorted(self.judged, key=lambda video: video.probability)
        last = len(ranked) - 1
        places = {round(place * last / (count - 1)) for place in range(count)}
        return [ranked[place].path for place in sorted(places)]

    def weights(self) -> Weights:
        """The networks that judged all of them; raises :class:`MixedCheckpointsError` for several."""
        used = Counter(video.weights for video in self.judged)
        if len(used) > 1:
            named = ", ".join(f"{count} by {one.scoring_sha256[:12]}…" for one, count in used.most_common())
            raise MixedCheckpointsError(f"the videos were judged by different weights: {named}")
        return next(iter(used))


def own_videos(folder: Path, paths: Iterable[Path], ledger: Ledger) -> OwnVideos:
    """What the ledger says of these videos below the folder; the same content counts once."""
    results = {entry["sha256"]: entry for entry in ledger.results()}
    errors = {entry["sha256"]: str(entry["error"]["code"]) for entry in ledger.errors()}
    judged, left_out = [], []
    dates = []
    seen = set()
    for path in paths:
        try:
            digest = sha256_of(path)
        except OSError:
            left_out.append(LeftOut(path, UNREADABLE))
            continue
        if digest in seen:
            continue
        seen.add(digest)
        if digest not in results:
            left_out.append(LeftOut(path, errors.get(digest, "not_judged")))
            continue
        dates.append(str(results[digest]["at"]))
        values = results[digest]["result"]
        if why := _why_not(values):
            left_out.append(LeftOut(path, why))
        else:
            probability, offset = _deciding(values)
            judged.append(OwnVideo(path, person_of(folder, path), probability, _weights(values), offset))
    return OwnVideos(tuple(judged), tuple(left_out), max(dates, default=""))


def person_of(folder: Path, path: Path) -> str:
    """Whose video it is, by the sub-folder's name; a file beside the sub-folders is a person's only one."""
    return path.relative_to(folder).parts[0]


def _why_not(result: Mapping[str, Any]) -> str:
    """Why no band decides about this result, empty where one does."""
    reasons = [str(reason["code"]) for reason in result.get("reasons") or ()]
    codes = " ".join(reasons) or INCONCLUSIVE
    if result.get("probability_fake") is None:
        return codes if result["verdict"] == INCONCLUSIVE else UNCALIBRATED
    if result["verdict"] == INCONCLUSIVE and result.get(ALIGNED) is None:
        return codes
    return ""


def _deciding(result: Mapping[str, Any]) -> tuple[float, bool]:
    """The probability to which bands apply, and whether it is that of the video with its sound put right."""
    aligned = result.get(ALIGNED)
    return (float(result["probability_fake"]), False) if aligned is None else (float(aligned), True)


def _weights(result: Mapping[str, Any]) -> Weights:
    """Empty strings where the server does not say."""
    ensemble = (result.get("models") or {}).get("ensemble") or {}
    return Weights(str(ensemble.get("sync_sha256", "")), str(ensemble.get("scoring_sha256", "")))
