"""What there is, and who serves what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from outofsync_client._exceptions import UnreachableError
from outofsync_client.models._deployment import Deployment, Node
from outofsync_client.models._management import LoadedVersion
from outofsync_client.models._record import NODES, Canary, Record

PROMOTED, CANARY, SHADOW, PREVIOUS = "promoted", "canary", "shadow", "previous"
REGISTERED, BUILT = "registered", "built"


@dataclass(frozen=True)
class Listed:
    """One version: its part in serving, and whether TorchServe has it loaded and ready.

    ``role`` is promoted, canary, shadow, previous (where a roll-back leads), registered, or built (in the
    model store alone). ``share`` is a canary's. ``ready`` says whether its workers are, ``answers`` whether
    TorchServe answers by it where no version is named: the promoted version's part, unless a step was
    interrupted. Both are None where no server runs.
    """

    version: str
    role: str
    share: Optional[float]
    deblur: str
    ensemble: str
    ready: Optional[bool]
    answers: Optional[bool]

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))


def list_versions(deployment: Deployment) -> tuple[Listed, ...]:
    """Every version of the record and of the model store, the lowest first."""
    record = deployment.record()
    loaded: Optional[dict[Node, LoadedVersion]] = None
    answering: Optional[set[Node]] = None
    try:
        loaded = deployment.loaded()
        answering = {(node, deployment.management.default(node)) for node in NODES}
    except UnreachableError:
        pass
    listed = []
    for version, nodes in record.pipelines.items():
        role, share = _role(record, version)
        parts = {(node, part.version) for node, part in nodes.nodes()}
        ready = None if loaded is None else all(part in loaded and loaded[part].ready for part in parts)
        answers = None if answering is None else parts == answering
        listed.append(
            Listed(version, role, share, nodes.deblur.version, nodes.ensemble.version, ready, answers)
        )
    for version in deployment.store.versions():
        if version not in record.pipelines:
            nodes = deployment.store.pipeline(version, beside=record.pipelines[record.promoted])
            listed.append(
                Listed(version, BUILT, None, nodes.deblur.version, nodes.ensemble.version, None, None)
            )
    return tuple(sorted(listed, key=lambda one: _in_order(one.version)))


def _role(record: Record, version: str) -> tuple[str, Optional[float]]:
    if record.promoted == version:
        return PROMOTED, None
    if isinstance(record.canary, Canary) and record.canary.pipeline == version:
        return (SHADOW if record.canary.shadow else CANARY), record.canary.share
    return (PREVIOUS if record.previous == version else REGISTERED), None


def _in_order(version: str) -> tuple[int, ...]:
    """Versions are numbers and dots; anything else comes first."""
    return tuple(int(part) if part.isdigit() else -1 for part in version.split("."))
