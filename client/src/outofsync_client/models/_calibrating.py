"""Makes a version whose bands are others: the archive that judged, with nothing else changed.

It is not built from the checkout as it is today: the bands belong to the probabilities of that very archive.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Optional

from outofsync_client.calibration._calibration import Calibration
from outofsync_client.calibration._errors import UncalibratedError, UnknownCheckpointError
from outofsync_client.calibration._own import Weights
from outofsync_client.calibration._scoring import SCORING_FILE, ScoringCheckpoint
from outofsync_client.models._building import make
from outofsync_client.models._record import NODES, Record
from outofsync_client.models._store import SUMS_FILE, ModelStore, manifest_version, parse_sums
from outofsync_client.models._verifying import verify_content

ENSEMBLE = NODES[-1]  # the node that knows the bands


def find_archive(store: ModelStore, record: Optional[Record], weights: Weights) -> Path:
    """The archive that holds these weights; raises :class:`UnknownCheckpointError` where none does."""
    wanted = {"sync.safetensors": weights.sync_sha256, SCORING_FILE: weights.scoring_sha256}
    for archive in _archives(store, record):
        if wanted.items() <= _sums_in(archive).items():
            return archive
    called = f"scoring {weights.scoring_sha256[:12]}…" if weights.scoring_sha256 else "which are not named"
    raise UnknownCheckpointError(f"no archive in {store.path} holds the weights that judged, {called}")


def build_calibrated(
    store: ModelStore,
    record: Optional[Record],
    calibration: Calibration,
    version: Optional[str],
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


def _archives(store: ModelStore, record: Optional[Record]) -> Iterator[Path]:
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


def _free_version(
    store: ModelStore, record: Optional[Record], archive: Path, calibration: Calibration
) -> str:
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


def _fitted(archive: Path) -> Optional[Mapping[str, Any]]:
    """The calibration that an archive was given here, None where it was given none."""
    try:
        return ScoringCheckpoint.of_archive(archive).fitted
    except (UnknownCheckpointError, UncalibratedError):
        return None
