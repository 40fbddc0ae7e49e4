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
        meant = (target["kind"], target["name"])
        chosen = [one for one in manifests if (one["kind"], one["metadata"]["name"]) == meant]
        assert len(chosen) == 1, f"{patch['path']} is meant for {target}, of which there are {len(chosen)}"
        change = yaml.safe_load((folder / patch["path"]).read_text())
        if isinstance(change, dict):
            assert change.pop("$patch") == "delete", "of strategic merges, only this one is understood here"
            manifests.remove(chosen[0])
            continue
        for operation in change:
            _apply(chosen[0], operation)
    return manifests


def _apply(manifest: Manifest, operation: dict[str, Any]) -> None:
    """One step of a JSON patch (RFC 6902)."""
    *parents, last = operation["path"].strip("/").split("/")
    place: Any = manifest
    for name in parents:
        place = place[int(name)] if isinstance(place, list) else place[name]
    if isinstance(place, list) and last == "-":
        assert operation["op"] == "add", operation
        place.append(copy.deepcopy(operation["value"]))
        return
    key = int(last) if isinstance(place, list) else last
    if operation["op"] == "replace":
        assert key in place if isinstance(place, dict) else key < len(place), operation["path"]
    else:
        assert operation["op"] == "add", operation
    place[key] = copy.deepcopy(operation["value"])
