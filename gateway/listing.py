"""What callers may know of the pipelines: names, versions and sums, not where anything lies."""

from __future__ import annotations

from typing import Any

from gateway.pipelines import NODES


def describe_pipelines(server: str, record: dict[str, Any]) -> dict[str, Any]:
    """One server's roll-out record for callers; without a record, only that the model store's own serves."""
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
