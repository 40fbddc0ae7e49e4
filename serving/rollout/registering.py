"""Loads a version beside what serves: verified, ready, warmed, and only then in the record.

Until the record names it, nobody knows from which archive a loaded version came: whatever an interrupted step
has left in TorchServe is unloaded, and its repetition loads it anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from outofsync_client import OutOfSyncError
from outofsync_client.protocol import LOG_FILE, model_of
from serving.rollout.deployment import Deployment
from serving.rollout.errors import StepRefusedError, VersionFailedError
from serving.rollout.record import Pipeline, Record
from serving.rollout.verifying import verify
from serving.rollout.warming import WarmUp, warm


def register(deployment: Deployment, version: str, clips: Sequence[Path]) -> tuple[WarmUp, ...]:
    """Load what of the version is not loaded yet, warm it, record it; what it said of each clip.

    Raises :class:`ArchiveError` or :class:`VersionFailedError`; a new version then leaves nothing behind.
    """
    with deployment.changing_versions(f"register {version}"):
        record = deployment.record()
        pipeline = _found(deployment, record, version)
        new = version not in record.pipelines
        if new:
            for node, part in pipeline.nodes():
                if not record.uses(node, part.version):
                    archive = deployment.store.path / part.archive
                    verify(deployment.store, archive, node=node, version=part.version)
            _unload_unrecorded(deployment, record, pipeline)
        try:
            _load(deployment, pipeline)
            warm_ups = warm(deployment, version, pipeline, clips)
        except OutOfSyncError:
            if new:
                _unload_unrecorded(deployment, record, pipeline)
            raise
        if new:
            with deployment.changing_record(f"register {version}"):
                record = deployment.record()
                pipelines = {**record.pipelines, version: pipeline}
                deployment.records.write(record.after("register", version, pipelines=pipelines))
        return warm_ups


def _found(deployment: Deployment, record: Record, version: str) -> Pipeline:
    """What the version is made of; raises :class:`StepRefusedError` where its archives have changed."""
    known = record.pipelines.get(version)
    if known is None:
        return deployment.store.pipeline(version, beside=record.pipelines[record.promoted])
    for _, part in known.nodes():
        if said := deployment.store.difference(part):
            raise StepRefusedError(
                f"version {version} is registered already, and {said}",
                hint="Nothing was changed. Give another checkpoint a version of its own.",
            )
    return known


def _load(deployment: Deployment, pipeline: Pipeline) -> None:
    failed = deployment.load({(node, part.version): part.archive for node, part in pipeline.nodes()})
    if failed:
        raise VersionFailedError(
            "; ".join(failed.values()),
            hint=f"What serves was not touched. More is in {deployment.state / LOG_FILE}.",
        )


def _unload_unrecorded(deployment: Deployment, record: Record, pipeline: Pipeline) -> None:
    """Unload those of the pipeline's versions that no recorded pipeline is made of."""
    for node, part in pipeline.nodes():
        if not record.uses(node, part.version):
            deployment.management.unregister(model_of(node), part.version)
