"""Which pipeline judges a request: the promoted one, or a canary for its share."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Role = Literal["promoted", "canary", "shadow"]
RECORD = "pipelines.json"
NODES = ("deblur", "ensemble")


@dataclass(frozen=True)
class Pipeline:
    """A pair of node versions under one name."""

    name: str
    deblur: str
    ensemble: str

    def paths(self) -> tuple[str, str]:
        """Where TorchServe answers for these versions of the workflow's nodes."""
        return (
            f"/predictions/deepfake__deblur/{self.deblur}",
            f"/predictions/deepfake__ensemble/{self.ensemble}",
        )


@dataclass(frozen=True)
class Canary:
    """A pipeline on trial: it answers ``share`` of the requests, or only judges them again (``shadow``)."""

    pipeline: Pipeline
    share: float
    shadow: bool

    def takes(self, request_id: str) -> bool:
        """Whether this request is in the share; the same id always is, or never."""
        digest = hashlib.sha256(request_id.encode()).digest()
        return int.from_bytes(digest[:8], "big") < self.share * 2.0**64


@dataclass(frozen=True)
class Routing:
    """What a server's roll-out record says now. ``promoted`` is "" where there is no record."""

    promoted: str = ""
    canary: Canary | None = None


class Record:
    """One server's roll-out record, read again when it has changed."""

    def __init__(self, state: Path) -> None:
        self._path = state / RECORD
        self._changed: int | None = None
        self._routing = Routing()

    def values(self) -> dict[str, Any]:
        """The record as it is written; empty where there is none or it makes no sense."""
        try:
            values = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return values if isinstance(values, dict) else {}

    def routing(self) -> Routing:
        try:
            changed = self._path.stat().st_mtime_ns
        except OSError:
            return Routing()
        if changed != self._changed:
            self._changed, self._routing = changed, routing_of(self.values())
        return self._routing


def routing_of(values: dict[str, Any]) -> Routing:
    """A record's routing; without a canary where the record does not describe one fully."""
    promoted = str(values.get("promoted") or "")
    try:
        canary = values["canary"]
        name = str(canary["pipeline"])
        nodes = values["pipelines"][name]
        pipeline = Pipeline(name, *(str(nodes[node]["version"]) for node in NODES))
        return Routing(promoted, Canary(pipeline, float(canary["share"]), bool(canary["shadow"])))
    except (KeyError, TypeError, ValueError):
        return Routing(promoted)
