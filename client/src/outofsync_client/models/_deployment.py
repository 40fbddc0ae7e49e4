"""What every step works on: a server's state folder, its model store, and TorchServe."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from outofsync_client.models import _locks
from outofsync_client.models._complaints import complaint
from outofsync_client.models._errors import RecordError, UnknownVersionError, VersionFailedError
from outofsync_client.models._management import LoadedVersion, Management
from outofsync_client.models._record import NODES, Pipeline, Record, RecordFile
from outofsync_client.models._store import ModelStore

LOAD_S = 600.0  # until a version is ready; the archives' startupTimeout
LOCK_S = 30.0  # a record is changed in moments
POLL_S = 0.2
LOGGED_S = 10.0  # within which what a worker said last is in the server's log

Node = tuple[str, str]  # a node's name and version


@dataclass(frozen=True)
class Deployment:
    """One server's versions."""

    state: Path
    store: ModelStore
    records: RecordFile
    management: Management

    def changing_record(self, step: str) -> AbstractContextManager[None]:
        """Held while the record or TorchServe's defaults change."""
        return _locks.held(self.state, _locks.RECORD, step=step, wait_s=LOCK_S)

    def changing_versions(self, step: str, *, wait_s: float = 0.0) -> AbstractContextManager[None]:
        """Held while versions come or go, which may take minutes."""
        return _locks.held(self.state, _locks.VERSIONS, step=step, wait_s=wait_s)

    def record(self) -> Record:
        """The record; raises :class:`RecordError` where no server ever ran here."""
        record = self.records.read()
        if record is None:
            raise RecordError(
                f"{self.records.path} is not there, so no server has run from this folder yet",
                hint="Start it (`make serve`), or name another folder with --state.",
            )
        return record

    def pipeline(self, record: Record, version: str) -> Pipeline:
        """A pipeline of the record; raises :class:`UnknownVersionError`."""
        if version not in record.pipelines:
            raise UnknownVersionError(
                f"pipeline {version} is not registered",
                hint=f"Register it first: `outofsync models register {version}`.",
            )
        return record.pipelines[version]

    def loaded(self) -> dict[Node, LoadedVersion]:
        """All that TorchServe has of the workflow's nodes."""
        return {
            (node, version): loaded
            for node in NODES
            for version, loaded in self.management.versions(node).items()
        }

    def load(self, archives: dict[Node, str]) -> dict[Node, str]:
        """Load versions from their archives, side by side; what is loaded already stays.

        Returns those that failed, with what is known of it; they are unloaded again.
        """
        for (node, version), archive in archives.items():
            if self.management.version(node, version) is None:
                serving = self.management.versions(node)[self.management.default(node)]
                self.management.register(
                    node, archive, batch_size=serving.batch_size, max_batch_delay=serving.max_batch_delay
                )
        failed = {}
        for node, version in archives:
            try:
                self._wait_until_ready(node, version)
            except VersionFailedError as error:
                failed[node, version] = str(error)
                self.management.unregister(node, version)
        return failed

    def scale(self, node: str, version: str, workers: int) -> None:
        """Let a loaded version have so many workers, and wait for them."""
        self.management.scale(node, version, workers)
        self._wait_until_ready(node, version, workers)

    def _wait_until_ready(self, node: str, version: str, workers: Optional[int] = None) -> None:
        """Until all workers are ready, however many or this many.

        Raises :class:`VersionFailedError` as soon as a worker has died, or it takes too long.
        """
        deadline = time.monotonic() + LOAD_S
        first: dict[str, int] = {}  # the process of each worker, as it was first seen
        while True:
            loaded = self.management.version(node, version)
            if loaded is None:
                raise VersionFailedError(f"{node} {version} was unloaded by somebody else")
            if loaded.ready and workers in (None, len(loaded.workers)):
                return
            for worker in loaded.workers:
                if worker.pid > 0 and first.setdefault(worker.id, worker.pid) != worker.pid:
                    said = self._last_words(node, version) or "its worker died"
                    raise VersionFailedError(f"{node} {version} does not load: {said}")
            if time.monotonic() > deadline:
                raise VersionFailedError(f"{node} {version} was not ready after {LOAD_S:.0f} s")
            time.sleep(POLL_S)

    def _last_words(self, node: str, version: str) -> str:
        """The exception that ended a worker; it may reach the log after the server noticed the death."""
        deadline = time.monotonic() + LOGGED_S
        while not (said := complaint(self.state, node, version)) and time.monotonic() < deadline:
            time.sleep(POLL_S)
        return said

    def serve(self, pipeline: Pipeline, *, order: Iterable[str]) -> None:
        """Make a pipeline's versions the defaults, node by node."""
        for node in order:
            version = pipeline.node(node).version
            if self.management.default(node) != version:
                self.management.set_default(node, version)
