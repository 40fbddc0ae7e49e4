"""Unloads a version once nobody is at it any more: TorchServe drops whatever a version is at.

The record forgets the version first, so that nothing is sent to it any longer; then it is watched until its
queue is empty and no worker holds its mark (handlers/in_flight.py) for a while; then it is unloaded. A step
that was interrupted in between is ended by its repetition.
"""

from __future__ import annotations

import time
from dataclasses import replace

from outofsync_client import UnreachableError
from outofsync_client.protocol import IN_FLIGHT_FOLDER, NODES, TEMPORARY_LINK, model_of
from serving.locks import is_locked
from serving.rollout.deployment import Deployment
from serving.rollout.errors import StepRefusedError, StillBusyError, UnknownVersionError
from serving.rollout.record import Record

QUIET_S = 3.0  # TorchServe loses requests of a version that was the default a moment ago
POLL_S = 0.1


def retire(deployment: Deployment, version: str, *, wait_s: float) -> None:
    """Forget a version and unload what no pipeline of the record is made of any more.

    Raises :class:`StepRefusedError` for what serves, :class:`UnknownVersionError` for what never was there.
    """
    with deployment.changing_versions(f"retire {version}"):
        with deployment.changing_record(f"retire {version}"):
            record = deployment.record()
            _refuse_what_serves(record, version)
            if version in record.pipelines:
                pipelines = {name: nodes for name, nodes in record.pipelines.items() if name != version}
                previous = None if record.previous == version else record.previous
                record = record.after("retire", version, pipelines=pipelines, previous=previous)
                record = replace(record, workers=_of_what_is_left(record))
                deployment.records.write(record)
            elif not any(event.pipeline == version for event in record.history):
                raise UnknownVersionError(f"version {version} was never registered")
            try:  # a promotion that was interrupted may have left the old version to answer
                deployment.serve(record.pipelines[record.promoted], order=reversed(NODES))
            except UnreachableError:
                return  # a server that starts loads only what is recorded
        unused = [one for one in deployment.loaded() if not record.uses(*one)]
        for node, loaded in unused:
            _wait_until_idle(deployment, node, loaded, wait_s)
            deployment.management.unregister(model_of(node), loaded)


def _of_what_is_left(record: Record) -> dict[str, dict[str, int]]:
    """The recorded numbers of workers, without those of versions that no pipeline is made of."""
    left: dict[str, dict[str, int]] = {}
    for node, version, count in record.scaled():
        left.setdefault(node, {})[version] = count
    return left


def _refuse_what_serves(record: Record, version: str) -> None:
    if record.promoted == version:
        raise StepRefusedError(
            f"version {version} is promoted: it answers everybody", hint="Promote another version first."
        )
    if record.canary is not None and record.canary.pipeline == version:
        raise StepRefusedError(
            f"version {version} is the canary", hint="End that first: `outofsync models canary --off`."
        )


def _wait_until_idle(deployment: Deployment, node: str, version: str, wait_s: float) -> None:
    """Until nothing was under way on the version for a while; raises :class:`StillBusyError`."""
    deadline = time.monotonic() + wait_s
    quiet_since = time.monotonic()
    while True:
        now = time.monotonic()
        loaded = deployment.management.version(model_of(node), version)
        if loaded is None:
            return
        if loaded.queued or _is_underway(deployment, node, version):
            quiet_since = now
        if now - quiet_since >= QUIET_S:
            return
        if now >= deadline:
            raise StillBusyError(f"{node} {version} still has requests under way after {wait_s:.0f} s")
        time.sleep(POLL_S)


def _is_underway(deployment: Deployment, node: str, version: str) -> bool:
    """Whether a worker of the version is at a batch."""
    folder = deployment.state / TEMPORARY_LINK / IN_FLIGHT_FOLDER
    return any(is_locked(mark) for mark in folder.glob(f"{model_of(node)}-{version}-*"))
