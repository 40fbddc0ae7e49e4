"""What ``kubectl kustomize`` makes of an overlay, as far as the overlays use it; the rest is refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]
KNOWN = {"apiVersion", "kind", "resources", "patches"}


def build(folder: Path) -> list[Manifest]:
    """The manifests of an overlay."""
    settings = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert set(settings) <= KNOWN, f"{folder.name} uses more of kustomize than is understood here"
    manifests: list[Manifest] = []
    for name in settings["resources"]:
        path = folder / name
        manifests += build(path) if path.is_dir() else list(yaml.safe_load_all(path.read_text()))
    for patch in settings.get("patches", []):
        target = patch["target"]
        chosen = [
            m for m in manifests if (m["kind"], m["metadata"]["name"]) == (target["kind"], target["name"])
        ]
        assert len(chosen) == 1, f"{patch['path']} is meant for {target}, of which there are {len(chosen)}"
        for operation in yaml.safe_load((folder / patch["path"]).read_text()):
            _apply(chosen[0], operation)
    return manifests


def _apply(manifest: Manifest, operation: dict[str, Any]) -> None:
    """One step of a JSON patch (RFC 6902)."""
    *parents, last = operation["path"].strip("/").split("/")
    place: Any = manifest
    for name in parents:
        place = place[int(name)] if isinstance(place, list) else place[name]
    key = int(last) if isinstance(place, list) else last
    if operation["op"] == "replace":
        assert key in place if isinstance(place, dict) else key < len(place), operation["path"]
    else:
        assert operation["op"] == "add", operation
    place[key] = copy.deepcopy(operation["value"])
