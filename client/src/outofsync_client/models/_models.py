"""The steps of a roll-out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional, Union

from outofsync_client._exceptions import UnreachableError
from outofsync_client.models._deployment import Deployment
from outofsync_client.models._errors import StepRefusedError, VersionFailedError
from outofsync_client.models._management import Management, of_state
from outofsync_client.models._record import NODES, Pipeline, Record, RecordFile
from outofsync_client.models._registering import register
from outofsync_client.models._restoring import restore
from outofsync_client.models._store import ModelStore

Folder = Union[str, "os.PathLike[str]"]


class Models:
    """The pipelines of one server on this machine, by its state folder and its model store.

    Every method may be repeated, also after it was interrupted at any point; then it ends as if it had been
    called once.
    """

    def __init__(
        self, state: Folder, model_store: Folder, *, management: Optional[Management] = None
    ) -> None:
        folder = Path(state)
        self._deployment = Deployment(
            state=folder,
            store=ModelStore(Path(model_store)),
            records=RecordFile(folder),
            management=management or Management(of_state(folder)),
        )

    def register(self, version: str) -> None:
        """Load a version beside what serves. Nobody is answered by it before it is promoted or tried."""
        register(self._deployment, version)

    def promote(self, version: str) -> None:
        """Let a registered version serve from now on; what served stays loaded, for a roll-back."""
        with self._deployment.changing_record(f"promote {version}"):
            record = self._deployment.record()
            pipeline = self._deployment.pipeline(record, version)
            running = self._is_running()
            if running:
                self._require_loaded(version, pipeline)
            if record.promoted != version:
                record = record.after(
                    "promote",
                    version,
                    promoted=version,
                    previous=record.promoted,
                    canary=_unless(record, version),
                )
                self._deployment.records.write(record)
            if running:
                # Newer versions read what older ones hand on, so the later node changes first.
                self._deployment.serve(pipeline, order=reversed(NODES))

    def rollback(self) -> None:
        """Let the version serve that served before the last promotion. A second roll-back changes nothing."""
        with self._deployment.changing_record("rollback"):
            record = self._deployment.record()
            if record.previous is not None:
                record = record.after(
                    "rollback",
                    record.previous,
                    promoted=record.previous,
                    previous=None,
                    canary=_unless(record, record.previous),
                )
                if running := self._is_running():
                    self._require_loaded(record.promoted, record.pipelines[record.promoted])
                self._deployment.records.write(record)
            elif not _rolled_back(record):
                raise StepRefusedError(
                    f"there is nothing to roll back to: {record.promoted} is the only version that served",
                    hint="`outofsync models promote` lets another registered version serve.",
                )
            else:
                running = self._is_running()
            if running:
                self._deployment.serve(record.pipelines[record.promoted], order=NODES)

    def restore(self) -> tuple[str, ...]:
        """Make TorchServe match the record, after a start; sentences about what could not be restored."""
        return restore(self._deployment)

    def _is_running(self) -> bool:
        """Whether there is a server to tell; without one, the record is what the next start goes by."""
        try:
            self._deployment.management.default(NODES[0])
        except UnreachableError:
            return False
        return True

    def _require_loaded(self, version: str, pipeline: Pipeline) -> None:
        for node, part in pipeline.nodes():
            loaded = self._deployment.management.version(node, part.version)
            if loaded is None or not loaded.ready:
                raise VersionFailedError(
                    f"pipeline {version} cannot serve now: {node} {part.version} is not ready",
                    hint=f"Nothing was changed. `outofsync models register {version}` loads it.",
                )


def _unless(record: Record, version: str) -> object:
    """The record's canary, None where it is this version."""
    return None if record.canary is None or record.canary.pipeline == version else record.canary


def _rolled_back(record: Record) -> bool:
    """Whether the last change of what serves was a roll-back."""
    steps = [event.step for event in record.history if event.step in ("promote", "rollback")]
    return steps[-1:] == ["rollback"]
