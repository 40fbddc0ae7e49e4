"""What a checkpoint says of itself: the header of a safetensors file is JSON, so that it takes no torch."""

from __future__ import annotations

import json
from typing import IO

MAX_HEADER_BYTES = 1 << 24


def read_metadata(file: IO[bytes]) -> dict[str, str]:
    """The metadata of a safetensors file that is open at its start; raises ValueError where it has none."""
    length = int.from_bytes(file.read(8), "little")
    header = json.loads(file.read(min(length, MAX_HEADER_BYTES)))  # a JSONDecodeError is a ValueError
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    if not isinstance(metadata, dict):
        raise ValueError("its header holds no metadata")
    return metadata
