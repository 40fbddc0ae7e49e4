"""Makes TorchServe match the record after a start: it knows only the archives of the workflow then.

What the record promotes must serve as it was registered, or the server must not come up. Another pipeline
that cannot be restored is left out and named: a candidate's trouble is no reason to be down.
"""

from __future__ import annotations

from collections.abc import Iterator

from outofsync_client.protocol import NODES, archive_of, model_of
from serving.rollout.deployment import LOCK_S, Deployment, Node
from serving.rollout.errors import RecordError, VersionFailedError
from serving.rollout.record import Pipeline, Record
from serving.rollout.store import ModelStore

STEP = "restore"


def restore(deployment: Deployment) -> tuple[str, ...]:
    """Load what is recorded, and let the promoted pipeline serve; sentences about what was left out.

    Raises :class:`RecordError` where the promoted pipeline cannot be served as it was registered.
    """
    # A step that lost its server a moment ago notices it, and ends.
    with deployment.changing_versions(STEP, wait_s=LOCK_S):
        with deployment.changing_record(STEP):
            record, notes = current_record(deployment)
        altered = altered_pipelines(deployment.store, record)
        if record.promoted in altered:
            raise _cannot_serve(deployment, record, altered[record.promoted])
        usable = {name: nodes for name, nodes in record.pipelines.items() if name not in altered}
        failed = deployment.load(_archives(usable))
        for name, nodes in usable.items():
            broken = [
                failed[node, part.version] for node, part in nodes.nodes() if (node, part.version) in failed
            ]
            if broken and name == record.promoted:
                raise _cannot_serve(deployment, record, broken[0])
            if broken:
                altered[name] = broken[0]
        with deployment.changing_record(STEP):
            record = deployment.record()  # a roll-back may have come between
            if record.promoted in altered:
                raise _cannot_serve(deployment, record, altered[record.promoted])
            deployment.serve(record.pipelines[record.promoted], order=reversed(NODES))
            if record.canary is not None and record.canary.pipeline in altered:
                record = record.after("canary ended", record.canary.pipeline, canary=None)
                deployment.records.write(record)
        notes = (*notes, *_scale(deployment, record))
        serving = {name: nodes for name, nodes in usable.items() if name not in altered}
        for node, version in deployment.loaded().keys() - _archives(serving).keys():
            deployment.management.unregister(model_of(node), version)
    left_out = (f"pipeline {name} is not loaded: {problem}" for name, problem in altered.items())
    return (*notes, *left_out)


def current_record(deployment: Deployment) -> tuple[Record, tuple[str, ...]]:
    """The record, made at the first start; and what there is to say about it.

    Where nothing was ever rolled out, whoever builds the workflow's own archives anew means them to serve.
    """
    record = deployment.records.read()
    if record is not None and not _is_untouched(record):
        return record, ()
    version, own = deployment.store.own_pipeline()
    if record is None:
        created = Record({version: own}, version).after("start", version)
        deployment.records.write(created)
        return created, ()
    if record.pipelines == {version: own}:
        return record, ()
    deployment.records.write(record.after("rebuilt", version, pipelines={version: own}, promoted=version))
    said = f"pipeline {version} serves from archives that were built anew since the last start"
    return deployment.record(), (said,)


def _is_untouched(record: Record) -> bool:
    """Whether the record holds nothing but the workflow's own archives."""
    archives = [{name: part.archive for name, part in nodes.nodes()} for nodes in record.pipelines.values()]
    return archives == [{node: archive_of(node) for node in NODES}]


def altered_pipelines(store: ModelStore, record: Record) -> dict[str, str]:
    """The pipelines whose archives are not as they were registered, and how."""
    found = {}
    for name, nodes in record.pipelines.items():
        differences = [said for _, part in nodes.nodes() if (said := store.difference(part))]
        if differences:
            found[name] = " and ".join(differences)
    return found


def _scale(deployment: Deployment, record: Record) -> Iterator[str]:
    """Bring back the recorded numbers of workers; fewer are no reason to be down."""
    loaded = deployment.loaded()
    for node, version, count in record.scaled():
        if (node, version) not in loaded or len(loaded[node, version].workers) == count:
            continue
        try:
            deployment.scale(node, version, count)
        except VersionFailedError as error:
            yield f"{node} {version} has not its {count} workers: {error}"


def _archives(pipelines: dict[str, Pipeline]) -> dict[Node, str]:
    """The archive of each version that the pipelines are made of."""
    return {
        (node, part.version): part.archive for nodes in pipelines.values() for node, part in nodes.nodes()
    }


def _cannot_serve(deployment: Deployment, record: Record, problem: str) -> RecordError:
    ways = ["put the archive back"]
    if record.previous is not None:
        ways.append(f"serve {record.previous} again (`outofsync models rollback`)")
    ways.append(f"move {deployment.records.path} away to serve the model store's own archives")
    return RecordError(
        f"pipeline {record.promoted} is promoted and cannot be served: {problem}",
        hint=f"Nothing else was served in its stead. You may {', or '.join(ways)}.",
    )
