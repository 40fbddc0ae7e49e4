"""How many worker processes each version of a node has.

A version begins with the number in its archive. What is changed here is recorded once the workers are ready,
so that a restart brings as many; killed before that, a restart brings as many as before.
"""

from __future__ import annotations

from collections.abc import Sequence

from outofsync_client import UnreachableError
from outofsync_client.protocol import NODES, model_of
from serving.rollout.deployment import Deployment
from serving.rollout.errors import StepRefusedError, VersionFailedError

MAX_WORKERS = 32  # each holds the weights once more, and Java keeps threads for it


def scale(deployment: Deployment, version: str, workers: int, nodes: Sequence[str]) -> None:
    """Let each of these nodes of a registered version have so many workers.

    Raises :class:`StepRefusedError` for a number or node that cannot be, and :class:`VersionFailedError`
    where the new workers do not come up; then the version has as many as before.
    """
    if not 1 <= workers <= MAX_WORKERS:
        raise StepRefusedError(f"a version has 1 to {MAX_WORKERS} workers, not {workers}")
    if unknown := [node for node in nodes if node not in NODES]:
        raise StepRefusedError(f"there is no node {unknown[0]}", hint=f"The nodes are {' and '.join(NODES)}.")
    with deployment.changing_versions(f"scale {version}"):
        pipeline = deployment.pipeline(deployment.record(), version)
        versions = {node: pipeline.node(node).version for node in nodes}
        for node, part in versions.items():
            _scale_loaded(deployment, node, part, workers)
        with deployment.changing_record(f"scale {version}"):
            record = deployment.record()
            changed = {node: dict(counts) for node, counts in record.workers.items()}
            for node, part in versions.items():
                changed.setdefault(node, {})[part] = workers
            if changed != record.workers:
                deployment.records.write(record.after("scale", version, workers=changed))


def _scale_loaded(deployment: Deployment, node: str, version: str, workers: int) -> None:
    """Nothing to do where no server runs: the next one goes by the record."""
    try:
        before = deployment.management.version(model_of(node), version)
    except UnreachableError:
        return
    if before is None:
        raise VersionFailedError(
            f"{node} {version} is not loaded",
            hint="Nothing was changed. `outofsync models register` loads what is recorded.",
        )
    try:
        deployment.scale(node, version, workers)
    except VersionFailedError:
        deployment.management.scale(model_of(node), version, max(1, len(before.workers)))
        raise
