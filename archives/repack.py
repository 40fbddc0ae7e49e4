"""Zip files whose bytes depend on their content alone: fixed times and modes, sorted, not compressed."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip file can hold
CREATED_ON = "01/01/1980 00:00:00"  # in the archivers' own format
READ_ONLY_FILE = 0o100644 << 16


def repack(archive: Path, target: Path) -> bool:
    """Write ``archive`` (a zip file) to ``target`` reproducibly; False where it already held these bytes.

    Entries are stored, not deflated: weights do not compress, and the bytes then do not depend on zlib.
    """
    partial = target.with_suffix(".partial")
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as copy:
        for name in sorted(source.namelist()):
            data = source.read(name)
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = READ_ONLY_FILE
            copy.writestr(entry, _undated(data) if name.endswith("MANIFEST.json") else data)
    changed = not target.exists() or partial.read_bytes() != target.read_bytes()
    if changed:
        partial.replace(target)
    else:
        partial.unlink()
    return changed


def _undated(manifest: bytes) -> bytes:
    """A manifest without the time at which the archiver ran."""
    return json.dumps({**json.loads(manifest), "createdOn": CREATED_ON}, indent=2, sort_keys=True).encode()
