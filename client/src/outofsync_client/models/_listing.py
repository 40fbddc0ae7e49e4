"""What there is, and who serves what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from outofsync_client._exceptions import UnreachableError
from outofsync_client.models._deployment import Deployment
from outofsync_client.models._management import LoadedVersion
from outofsync_client.models._record import Canary, Pipeline, Record

PROMOTED, CANARY, SHADOW, PREVIOUS = "promoted", "canary", "shadow", "previous"
REGISTERED, BUILT = "registered", "built"


@dataclass(frozen=True)
class Listed:
    """One version: its part in serving, and whether TorchServe has it loaded and ready.

    ``role`` is promoted, canary, shadow, previous (where a roll-back leads), registered, or built (in the
    model store alone). ``share`` is a canary's. ``ready`` is None where no server runs.
    """

    version: str
    role: str
    share: Optional[float]
    deblur: str
    ensemble: str
    ready: Optional[bool]

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))


def list_versions(deployment: Deployment) -> tuple[Listed, ...]:
    """Every version of the record and of the model store, oldest name first."""
    record = deployment.record()
    try:
        loaded: Optional[dict[tuple[str, str], LoadedVersion]] = deployment.loaded()
    except UnreachableError:
        loaded = None
    listed = [_listed(record, version, nodes, loaded) for version, nodes in record.pipelines.items()]
    for version in deployment.store.versions():
        if version not in record.pipelines:
            nodes = deployment.store.pipeline(version, beside=record.pipelines[record.promoted])
            found = Listed(version, BUILT, None, nodes.deblur.version, nodes.ensemble.version, None)
            listed.append(found)
    return tuple(sorted(listed, key=lambda one: _in_order(one.version)))


def _listed(
    record: Record, version: str, nodes: Pipeline, loaded: Optional[dict[tuple[str, str], LoadedVersion]]
) -> Listed:
    role, share = _role(record, version)
    ready = None
    if loaded is not None:
        found = [loaded.get((node, part.version)) for node, part in nodes.nodes()]
        ready = all(one is not None and one.ready for one in found)
    return Listed(version, role, share, nodes.deblur.version, nodes.ensemble.version, ready)


def _role(record: Record, version: str) -> tuple[str, Optional[float]]:
    if record.promoted == version:
        return PROMOTED, None
    if isinstance(record.canary, Canary) and record.canary.pipeline == version:
        return (SHADOW if record.canary.shadow else CANARY), record.canary.share
    return (PREVIOUS if record.previous == version else REGISTERED), None


def _in_order(version: str) -> tuple[int, ...]:
    """Versions are numbers and dots; anything else comes first."""
    return tuple(int(part) if part.isdigit() else -1 for part in version.split("."))
