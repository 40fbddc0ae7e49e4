"""The bands by which a server judges, from its scoring checkpoint."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Optional

from outofsync_client.calibration._bands import Bands
from outofsync_client.calibration._errors import UncalibratedError, UnknownCheckpointError
from outofsync_client.protocol import SCORING_FILE

MAX_HEADER_BYTES = 1 << 24  # of a checkpoint
SHIPPED = "shipped"  # what a calibration is called that training has made


@dataclass(frozen=True)
class ScoringCheckpoint:
    """What a scoring checkpoint says of its calibration.

    ``name`` is that of the calibration, ``sha256`` that of the file, as results have it; ``shipped`` are the
    bands of training, and ``fitted`` is what ``calibration.json`` said, None where it judges by these.
    """

    sha256: str
    name: str
    bands: Bands
    shipped: Bands
    fitted: Optional[Mapping[str, Any]] = None

    @classmethod
    def of_file(cls, path: Path) -> ScoringCheckpoint:
        """Read ``scoring.safetensors``.

        Raises :class:`UnknownCheckpointError` for another file, and :class:`UncalibratedError` where it has
        no calibration.
        """
        try:
            return cls._of_bytes(path.read_bytes(), str(path))
        except OSError as error:
            raise UnknownCheckpointError(f"{path} cannot be read ({error.strerror})") from None

    @classmethod
    def of_archive(cls, path: Path) -> ScoringCheckpoint:
        """The same of the checkpoint in an archive of the ensemble (``.mar``)."""
        try:
            with zipfile.ZipFile(path) as archive:
                content = archive.read(SCORING_FILE)
        except (OSError, KeyError, zipfile.BadZipFile):
            raise UnknownCheckpointError(f"{path} holds no {SCORING_FILE}") from None
        return cls._of_bytes(content, f"{SCORING_FILE} in {path}")

    @classmethod
    def _of_bytes(cls, content: bytes, called: str) -> ScoringCheckpoint:
        try:
            metadata = _metadata(io.BytesIO(content))
            if metadata["kind"] != "scoring":
                raise ValueError(f"it is of the kind {metadata['kind']!r}")
            calibration = json.loads(metadata["config"])["calibration"]
            if calibration is None:
                raise UncalibratedError(f"{called} has no calibration, so it judges without probabilities")
            bands = Bands(*(float(band) for band in calibration["bands"]))
            fitted = json.loads(metadata["about"]).get("calibration")
            shipped = Bands(*(float(band) for band in fitted["shipped"])) if fitted else bands
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UnknownCheckpointError(f"{called} is no scoring checkpoint ({error})") from None
        digest = hashlib.sha256(content).hexdigest()
        return cls(digest, str(calibration.get("name", SHIPPED)), bands, shipped, fitted)


def _metadata(file: IO[bytes]) -> dict[str, str]:
    """What a safetensors file says of itself: its header is JSON, so that it takes no torch.

    Raises ValueError where it says nothing.
    """
    length = int.from_bytes(file.read(8), "little")
    header = json.loads(file.read(min(length, MAX_HEADER_BYTES)))  # a JSONDecodeError is a ValueError
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    if not isinstance(metadata, dict):
        raise ValueError("its header holds no metadata")
    return metadata
