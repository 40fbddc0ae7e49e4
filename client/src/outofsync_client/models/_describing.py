"""One version, in every detail that somebody on call may want."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from outofsync_client._exceptions import UnreachableError
from outofsync_client.models._deployment import Deployment
from outofsync_client.models._management import Worker
from outofsync_client.models._record import Event


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
    workers: Optional[tuple[Worker, ...]]
    queued: Optional[int]


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
            loaded = deployment.management.version(node, part.version)
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
