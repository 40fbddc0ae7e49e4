"""A version whose bands are others: the archive that judged with nothing else changed, and its way to serve.

It is not built from the checkout as it is today: the bands belong to the probabilities of that very archive.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outofsync_client.calibration import (
    Calibration,
    OtherProbabilitiesError,
    ScoringCheckpoint,
    UncalibratedError,
    UnknownCheckpointError,
    Weights,
)
from outofsync_client.protocol import ENSEMBLE, SCORING_FILE, SUMS_FILE, SYNC_FILE
from serving.rollout.building import make
from serving.rollout.record import Record
from serving.rollout.store import ModelStore, manifest_version, parse_sums
from serving.rollout.verifying import verify_content

if TYPE_CHECKING:
    from serving.rollout.models import Folder, Models

SAME = 0.01  # probabilities that differ by less are the same: a GPU's last bits


def find_archive(store: ModelStore, record: Record | None, weights: Weights) -> Path:
    """The archive that holds these weights; raises :class:`UnknownCheckpointError` where none does."""
    wanted = {SYNC_FILE: weights.sync_sha256, SCORING_FILE: weights.scoring_sha256}
    for archive in _archives(store, record):
        if wanted.items() <= _sums_in(archive).items():
            return archive
    called = f"scoring {weights.scoring_sha256[:12]}…" if weights.scoring_sha256 else "which are not named"
    raise UnknownCheckpointError(f"no archive in {store.path} holds the weights that judged, {called}")


def build_calibrated(
    store: ModelStore,
    record: Record | None,
    calibration: Calibration,
    version: str | None,
    *,
    project: Path,
) -> str:
    """Put an archive with this calibration into the store; returns its version."""
    archive = find_archive(store, record, calibration.weights)
    verify_content(store, archive)  # what was altered is not given new sums
    chosen = version or _free_version(store, record, archive, calibration)
    with tempfile.TemporaryDirectory(prefix="outofsync-models-") as folder:
        written = Path(folder) / "calibration.json"
        calibration.write(written)
        words = ("archives.recalibrate", "--archive", str(archive.resolve()), "--calibration", str(written))
        make(store, record, (*words, "--version", chosen), project=project)
    return chosen


def _archives(store: ModelStore, record: Record | None) -> Iterator[Path]:
    """Those of the ensemble; what serves comes first, as it is most likely meant."""
    names = []
    if record is not None:
        others = (pipeline for name, pipeline in record.pipelines.items() if name != record.promoted)
        names = [one.ensemble.archive for one in (record.pipelines[record.promoted], *others)]
    stored = (path.name for path in sorted(store.path.glob(f"{ENSEMBLE}*.mar")))
    return (store.path / name for name in dict.fromkeys([*names, *stored]))


def _sums_in(archive: Path) -> dict[str, str]:
    """What an archive says of its files; nothing where it cannot be read."""
    try:
        with zipfile.ZipFile(archive) as file:
            return dict(parse_sums(file.read(SUMS_FILE).decode().splitlines()))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return {}


def _free_version(store: ModelStore, record: Record | None, archive: Path, calibration: Calibration) -> str:
    """The next version after the archive's: 2.0.1 after 2.0, and 2.0.2 after a 2.0.1 made here.

    One that holds this very calibration is made anew, so that a step which was interrupted can be repeated.
    """
    base, number = manifest_version(archive), 0
    if _fitted(archive):
        base, _, last = base.rpartition(".")
        number = int(last)
    while True:
        number += 1
        version = f"{base}.{number}"
        there = store.archive(ENSEMBLE, version)
        registered = record is not None and version in record.pipelines
        if _fitted(there) == calibration.to_dict() if there else not registered:
            return version


def _fitted(archive: Path) -> Mapping[str, Any] | None:
    """The calibration that an archive was given here, None where it was given none."""
    try:
        return ScoringCheckpoint.of_archive(archive).fitted
    except (UnknownCheckpointError, UncalibratedError):
        return None


def roll_out(
    models: Models,
    calibration: Calibration,
    *,
    clips: Sequence[Folder],
    version: str | None,
    project: Folder | None,
    say: Callable[[str], object],
) -> str:
    """The steps of :meth:`Models.roll_out`, one after the other; each may be repeated."""
    built = models.build_calibrated(calibration, version, project=project)
    say(f"built version {built}: the same networks, judging by {calibration.name}")
    models.register(built, clips=clips[:1])
    comparison = models.compare(built, clips)
    apart = max(comparison.differences, default=None)
    if apart is None or apart > SAME:
        raise OtherProbabilitiesError(
            f"version {comparison.promoted}, which serves, gives these videos no probability to compare"
            if apart is None
            else f"version {comparison.promoted}, which serves, differs by {apart:.3f} in probability "
            "from what judged these videos"
        )
    say(f"version {built} gives {len(comparison.differences)} videos the same probabilities as what serves")
    models.promote(built)
    say(f"version {built} serves; back: outofsync models rollback")
    return built
