"""What there is, and who serves what; and one version in every detail that somebody on call may want."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from outofsync_client import UnreachableError
from outofsync_client.management import LoadedVersion, Worker
from outofsync_client.protocol import NODES, model_of
from serving.rollout.deployment import Deployment, Node
from serving.rollout.record import Canary, Event, Record

PROMOTED, CANARY, SHADOW, PREVIOUS = "promoted", "canary", "shadow", "previous"
REGISTERED, BUILT = "registered", "built"


@dataclass(frozen=True)
class VersionSummary:
    """One version: its part in serving, and whether TorchServe has it loaded and ready.

    ``role`` is promoted, canary, shadow, previous (where a roll-back leads), registered, or built (in the
    model store alone). ``share`` is a canary's. ``ready`` says whether its workers are, ``answers`` whether
    TorchServe answers by it where no version is named: the promoted version's part, unless a step was
    interrupted. Both are None where no server runs.
    """

    version: str
    role: str
    share: float | None
    deblur: str
    ensemble: str
    ready: bool | None
    answers: bool | None

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))


def list_versions(deployment: Deployment) -> tuple[VersionSummary, ...]:
    """Every version of the record and of the model store, the lowest first."""
    record = deployment.record()
    loaded: dict[Node, LoadedVersion] | None = None
    answering: set[Node] | None = None
    try:
        loaded = deployment.loaded()
        answering = {(node, deployment.management.default(model_of(node))) for node in NODES}
    except UnreachableError:
        pass
    summaries = []
    for version, nodes in record.pipelines.items():
        role, share = _role(record, version)
        parts = {(node, part.version) for node, part in nodes.nodes()}
        ready = None if loaded is None else all(part in loaded and loaded[part].ready for part in parts)
        answers = None if answering is None else parts == answering
        summaries.append(
            VersionSummary(version, role, share, nodes.deblur.version, nodes.ensemble.version, ready, answers)
        )
    for version in deployment.store.versions():
        if version not in record.pipelines:
            nodes = deployment.store.pipeline(version, beside=record.pipelines[record.promoted])
            summaries.append(
                VersionSummary(version, BUILT, None, nodes.deblur.version, nodes.ensemble.version, None, None)
            )
    return tuple(sorted(summaries, key=lambda one: _in_order(one.version)))


def _role(record: Record, version: str) -> tuple[str, float | None]:
    if record.promoted == version:
        return PROMOTED, None
    if isinstance(record.canary, Canary) and record.canary.pipeline == version:
        return (SHADOW if record.canary.shadow else CANARY), record.canary.share
    return (PREVIOUS if record.previous == version else REGISTERED), None


def _in_order(version: str) -> tuple[int, ...]:
    """Versions are numbers and dots; anything else comes first."""
    return tuple(int(part) if part.isdigit() else -1 for part in version.split("."))


@dataclass(frozen=True)
class DescribedNode:
    """A version's node: its archive, what is wrong with that (empty: nothing), and its processes.

    ``workers`` and ``queued`` (requests that wait) are None where it is not loaded.
    """

    node: str
    version: str
    archive: str
    sha256: str
    problem: str
    workers: tuple[Worker, ...] | None
    queued: int | None


@dataclass(frozen=True)
class Described:
    """A registered version, node by node, and the steps it went through."""

    version: str
    nodes: tuple[DescribedNode, ...]
    events: tuple[Event, ...]


def describe(deployment: Deployment, version: str) -> Described:
    """A registered version as it is now; raises :class:`UnknownVersionError`."""
    record = deployment.record()
    nodes = []
    for node, part in deployment.pipeline(record, version).nodes():
        try:
            loaded = deployment.management.version(model_of(node), part.version)
        except UnreachableError:
            loaded = None
        nodes.append(
            DescribedNode(
                node=node,
                version=part.version,
                archive=part.archive,
                sha256=part.sha256,
                problem=deployment.store.difference(part),
                workers=loaded.workers if loaded else None,
                queued=loaded.queued if loaded else None,
            )
        )
    events = tuple(event for event in record.history if event.pipeline == version)
    return Described(version, tuple(nodes), events)
