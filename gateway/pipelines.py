"""A server's roll-out record: which pipeline judges a request, and what callers may know of all of them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from outofsync_client.protocol import DEBLUR, ENSEMBLE, NODES, RECORD_FILE, model_of, prediction_path

Role = Literal["promoted", "canary", "shadow"]


@dataclass(frozen=True)
class Pipeline:
    """A pair of node versions under one name."""

    name: str
    deblur: str
    ensemble: str

    def paths(self) -> tuple[str, str]:
        """Where TorchServe answers for these versions of the workflow's nodes."""
        return (
            prediction_path(model_of(DEBLUR), self.deblur),
            prediction_path(model_of(ENSEMBLE), self.ensemble),
        )


@dataclass(frozen=True)
class Canary:
    """A pipeline on trial: it answers ``share`` of the requests, or only judges them again (``shadow``)."""

    pipeline: Pipeline
    share: float
    shadow: bool

    def includes(self, request_id: str) -> bool:
        """Whether this request is in the share; the same id always is, or never."""
        digest = hashlib.sha256(request_id.encode()).digest()
        return int.from_bytes(digest[:8], "big") < self.share * 2.0**64


@dataclass(frozen=True)
class Routing:
    """What a server's roll-out record says now. ``promoted`` is "" where there is no record."""

    promoted: str = ""
    canary: Canary | None = None


class RolloutRecord:
    """One server's roll-out record, read again when it has changed."""

    def __init__(self, state: Path) -> None:
        self._path = state / RECORD_FILE
        self._changed: int | None = None
        self._routing = Routing()

    def read(self) -> dict[str, Any]:
        """The record as it is written; empty where there is none or it makes no sense."""
        try:
            values = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return values if isinstance(values, dict) else {}

    def routing(self) -> Routing:
        """Who serves whom, as of now."""
        try:
            changed = self._path.stat().st_mtime_ns
        except OSError:
            return Routing()
        if changed != self._changed:
            self._changed, self._routing = changed, parse_routing(self.read())
        return self._routing


def parse_routing(record: dict[str, Any]) -> Routing:
    """A record's routing; without a canary where the record does not describe one fully."""
    promoted = str(record.get("promoted") or "")
    try:
        canary = record["canary"]
        name = str(canary["pipeline"])
        nodes = record["pipelines"][name]
        pipeline = Pipeline(name, *(str(nodes[node]["version"]) for node in NODES))
        return Routing(promoted, Canary(pipeline, float(canary["share"]), bool(canary["shadow"])))
    except (KeyError, TypeError, ValueError):
        return Routing(promoted)


def version_summary(server: str, record: dict[str, Any]) -> dict[str, Any]:
    """A record for callers: names, versions and sums, not where anything lies.

    Without a record (an empty one), it says that the model store's own archives serve, by naming nobody.
    """
    pipelines = record.get("pipelines") or {}
    canary = record.get("canary") or None
    return {
        "server": server,
        "promoted": record.get("promoted"),
        "previous": record.get("previous"),
        "canary": canary and {name: canary.get(name) for name in ("pipeline", "share", "shadow")},
        "pipelines": [
            {
                "pipeline": name,
                "nodes": {
                    node: {key: nodes[node].get(key) for key in ("version", "sha256")} for node in NODES
                },
            }
            for name, nodes in sorted(pipelines.items())
        ],
    }
