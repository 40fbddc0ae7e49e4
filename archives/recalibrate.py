"""Makes an archive of the ensemble anew with other verdict bands, and nothing else in it changed.

Networks, code and settings are those of the archive: bands mean something to the probabilities of these
alone. The same inputs give the same bytes.

    python -m archives.recalibrate --archive model_store/ensemble.mar --calibration calibration.json \\
        --version 2.0.1 --output built
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archives.bill import bill_name, write_bill
from archives.build import BuildError, checked_version, sign_all
from archives.repack import repack
from outofsync_client.protocol import MANIFEST, SCORING_FILE, SUMS_FILE

ALIGNMENT = 8  # bytes: tensors begin at a multiple of it


def recalibrate(archive: Path, calibration: Mapping[str, Any], version: str, output: Path) -> Path:
    """``ensemble-VERSION.mar`` in ``output``: the archive with a calibration's bands and name.

    Raises :class:`BuildError` where the calibration is of another checkpoint, or makes no sense.
    """
    target = output / f"ensemble-{checked_version(version)}.mar"
    output.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(archive) as file:
            entries = {name: file.read(name) for name in file.namelist() if name != SUMS_FILE}
        manifest = json.loads(entries[MANIFEST])
        manifest["model"]["modelVersion"] = version
        entries[MANIFEST] = json.dumps(manifest).encode()
        scoring = entries[SCORING_FILE]
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise BuildError(f"{archive} is no archive of the ensemble ({error})") from None
    entries[SCORING_FILE] = _with_bands(scoring, calibration)
    with tempfile.TemporaryDirectory(prefix="outofsync-recalibrate-") as folder:
        changed = Path(folder) / "changed.zip"
        with zipfile.ZipFile(changed, "w") as file:
            for name, content in entries.items():
                file.writestr(name, content)
        repack(changed, target)
    return target


def _with_bands(scoring: bytes, calibration: Mapping[str, Any]) -> bytes:
    """The checkpoint with these bands; its tensors stay as they are, byte for byte."""
    belongs = str(calibration.get("scoring_sha256"))
    if hashlib.sha256(scoring).hexdigest() != belongs:
        raise BuildError(f"the calibration is of another scoring checkpoint: {belongs[:12]}…")
    start = 8 + int.from_bytes(scoring[:8], "little")
    try:
        header = json.loads(scoring[8:start])
        metadata = header["__metadata__"]
        config, about = json.loads(metadata["config"]), json.loads(metadata["about"])
        if not config.get("calibration"):
            raise BuildError("the scoring checkpoint has no calibration whose bands could be shifted")
        config["calibration"].update(_changes(config["calibration"], calibration))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise BuildError(f"the calibration cannot be used ({type(error).__name__}: {error})") from None
    metadata["config"] = json.dumps(config, sort_keys=True)
    metadata["about"] = json.dumps({**about, "calibration": dict(calibration)}, sort_keys=True)
    written = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    written += b" " * (-len(written) % ALIGNMENT)
    return len(written).to_bytes(8, "little") + written + scoring[start:]


def _changes(fitted: Mapping[str, Any], calibration: Mapping[str, Any]) -> dict[str, Any]:
    """What is other in the checkpoint's calibration; a promise is that of its bands."""
    bands = [float(band) for band in calibration["bands"]]
    if len(bands) != 3 or not 0.0 <= bands[0] <= bands[1] <= bands[2] <= 1.0:
        raise BuildError(f"bands are three ascending probabilities, unlike {bands}")
    changes: dict[str, Any] = {"bands": bands, "name": str(calibration["name"])}
    if "promise" in fitted:
        promise = calibration["promise"]
        changes["promise"] = {"likely_fake": promise["alarms"], "fake": promise["fakes"]}
    return changes


def main() -> int:
    parser = argparse.ArgumentParser(description="Make an archive of the ensemble with other verdict bands.")
    parser.add_argument("--archive", type=Path, required=True, help="the archive that judged")
    parser.add_argument("--calibration", type=Path, required=True, help="what outofsync calibrate wrote")
    parser.add_argument("--version", required=True, help="of the new archive: numbers and dots")
    parser.add_argument("--output", type=Path, required=True, help="folder to build into")
    options = parser.parse_args()
    try:
        calibration = json.loads(options.calibration.read_text())
        target = recalibrate(options.archive, calibration, options.version, options.output)
        write_bill([target], options.output / bill_name(options.version))
        said = sign_all([target], {})
    except (BuildError, OSError, ValueError) as error:
        sys.stderr.write(f"archives: {error}\n")
        return 1
    sys.stdout.write(f"{target} built\n" + (f"{said}\n" if said else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
