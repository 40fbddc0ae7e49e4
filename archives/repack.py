"""Zip files whose bytes depend on their content alone, and which say what that content is.

Times and modes are fixed, entries sorted and not compressed; ``SHA256SUMS`` names every other entry with its
sum.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

from outofsync_client.protocol import SUMS_FILE

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip file can hold
CREATED_ON = "01/01/1980 00:00:00"  # in the archivers' own format
READ_ONLY_FILE = 0o100644 << 16


def repack(archive: Path, target: Path) -> bool:
    """Write ``archive`` (a zip file) to ``target`` reproducibly; False where it already held these bytes.

    Entries are stored, not deflated: weights do not compress, and the bytes then do not depend on zlib.
    """
    with zipfile.ZipFile(archive) as source:
        files = {name: source.read(name) for name in sorted(source.namelist())}
    for name in files:
        if name.endswith("MANIFEST.json"):
            files[name] = _undated(files[name])
    files[SUMS_FILE] = sums({name: hashlib.sha256(data).hexdigest() for name, data in files.items()})
    partial = target.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as copy:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = READ_ONLY_FILE
            copy.writestr(entry, data)
    changed = not target.exists() or partial.read_bytes() != target.read_bytes()
    if changed:
        partial.replace(target)
    else:
        partial.unlink()
    return changed


def sums(digests: Mapping[str, str]) -> bytes:
    """What ``sha256sum`` would write of files with these sums."""
    return "".join(f"{digest}  {name}\n" for name, digest in digests.items()).encode()


def _undated(manifest: bytes) -> bytes:
    """A manifest without the time at which the archiver ran."""
    return json.dumps({**json.loads(manifest), "createdOn": CREATED_ON}, indent=2, sort_keys=True).encode()


def write_sums(store: Path) -> None:
    """Name every archive of a model store in its SHA256SUMS, whole or not at all."""
    stored = sorted(store.glob("*.[mw]ar"))
    partial = store / f"{SUMS_FILE}.partial"
    partial.write_bytes(sums({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in stored}))
    partial.replace(store / SUMS_FILE)


def read_sums(store: Path) -> dict[Path, str]:
    """The archives of a model store that are as its SHA256SUMS says, with their sums."""
    try:
        lines = [line.split("  ", 1) for line in (store / SUMS_FILE).read_text(encoding="utf-8").splitlines()]
        named = {store / name: digest for digest, name in lines if Path(name).name == name}
    except (OSError, ValueError):
        return {}
    return {
        path: digest
        for path, digest in named.items()
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest
    }
