"""Loads a version beside what serves."""

from __future__ import annotations

from outofsync_client.models._deployment import Deployment
from outofsync_client.models._errors import StepRefusedError, VersionFailedError
from outofsync_client.models._verifying import verify


def register(deployment: Deployment, version: str) -> None:
    """Load what of the version is not loaded yet, then record it; a failed version leaves nothing behind."""
    with deployment.changing_versions(f"register {version}"):
        record = deployment.record()
        pipeline = record.pipelines.get(version)
        found = deployment.store.pipeline(version, beside=pipeline or record.pipelines[record.promoted])
        if pipeline is not None and pipeline != found:
            raise StepRefusedError(
                f"version {version} is registered with other archives than the model store holds now",
                hint="Nothing was changed. Give the new checkpoint a version of its own.",
            )
        for node, part in found.nodes():
            if not record.uses(node, part.version):
                verify(
                    deployment.store, deployment.store.path / part.archive, node=node, version=part.version
                )
        for node, part in found.nodes():
            # Of a step that was interrupted: nobody knows from which archive it was loaded.
            if not record.uses(node, part.version):
                deployment.management.unregister(node, part.version)
        archives = {(node, part.version): part.archive for node, part in found.nodes()}
        failed = deployment.load(archives)
        if failed:
            for node, part in found.nodes():
                if not record.uses(node, part.version):
                    deployment.management.unregister(node, part.version)
            raise VersionFailedError(
                "; ".join(failed.values()),
                hint=f"What serves was not touched. The reason is in {deployment.state / 'server.log'}.",
            )
        if pipeline is None:
            with deployment.changing_record(f"register {version}"):
                record = deployment.record()
                pipelines = {**record.pipelines, version: found}
                deployment.records.write(record.after("register", version, pipelines=pipelines))
