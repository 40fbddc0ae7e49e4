"""By what a result is known: the content, what was asked, and which models answered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


def canonical(value: Any) -> str:
    """JSON that is the same for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True)
class Identity:
    """What all results of a run have in common."""

    options: Mapping[str, Any]
    models: Mapping[str, Any]

    def key(self, sha256: str) -> str:
        """The key of a content's result, in hexadecimal."""
        words = canonical({"content": sha256, "options": self.options, "models": self.models})
        return hashlib.sha256(words.encode()).hexdigest()


def fingerprint(*values: object) -> bytes:
    """16 bytes that stand for some values in memory."""
    return hashlib.sha256(canonical(values).encode()).digest()[:16]
