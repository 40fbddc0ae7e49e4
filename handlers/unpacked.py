"""Whether what TorchServe unpacked is what was built, by the archive's own sums.

A worker may start weeks after its archive was unpacked, from files in a temporary folder that a full disk cut
short or a cleaner has been through. This notices damage, not malice: whoever can write there can write the
sums as well. Against malice, signatures are checked before TorchServe sees an archive (serving/signing.py).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

SUMS_FILE = "SHA256SUMS"


def check_unpacked(folder: Path) -> None:
    """Raises ValueError for the first file that is not as the sums say; without sums it is no archive."""
    sums = folder / SUMS_FILE
    if not sums.is_file():
        return
    for line in sums.read_text(encoding="utf-8").splitlines():
        wanted, _, name = line.partition("  ")
        path = folder / name
        if not path.is_file():
            raise ValueError(f"{name} of the archive is missing from {folder}")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != wanted:
            raise ValueError(f"{name} in {folder} is not what the archive holds")
