"""What every step works on: a server's state folder, its model store, and TorchServe."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from outofsync_client.management import LoadedVersion, Management, ManagementError
from outofsync_client.protocol import LOG_FILE, NODES, model_of
from serving.locks import locked
from serving.log import last_exception
from serving.rollout.errors import (
    RecordError,
    StepInProgressError,
    UnknownVersionError,
    VersionFailedError,
)
from serving.rollout.record import Pipeline, Record, RecordFile
from serving.rollout.store import ModelStore

LOAD_S = 600.0  # until a version is ready; the archives' startupTimeout
LOCK_S = 30.0  # a record is changed in moments
POLL_S, LOCK_POLL_S = 0.2, 0.05
SCALE_TRIES, SCALE_PAUSE_S = 3, 1.0
LOGGED_S = 10.0  # within which what a worker said last is in the server's log

# Two locks, so that a roll-back never waits for a version to load or to drain: one is held for moments, by
# whatever changes the record or TorchServe's defaults, the other for as long as versions come and go. Whoever
# holds both took the latter first.
RECORD_LOCK, VERSIONS_LOCK = "pipelines.lock", "versions.lock"

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
        return _held(self.state / RECORD_LOCK, step, LOCK_S)

    def changing_versions(self, step: str, *, wait_s: float = 0.0) -> AbstractContextManager[None]:
        """Held while versions come or go, which may take minutes."""
        return _held(self.state / VERSIONS_LOCK, step, wait_s)

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
            for version, loaded in self.management.versions(model_of(node)).items()
        }

    def load(self, archives: dict[Node, str]) -> dict[Node, str]:
        """Load versions from their archives, side by side; what is loaded already stays.

        Returns those that failed, with what is known of it; they are unloaded again.
        """
        for (node, version), archive in archives.items():
            model = model_of(node)
            if self.management.version(model, version) is None:
                serving = self.management.versions(model)[self.management.default(model)]
                self.management.register(
                    archive,
                    model=model,  # or it would take the name in the archive
                    batch_size=serving.batch_size,  # or the archive's, which the workflow overrides
                    max_batch_delay=serving.max_batch_delay,
                )
        failed = {}
        for node, version in archives:
            try:
                self._wait_until_ready(node, version)
            except VersionFailedError as error:
                failed[node, version] = str(error)
                self.management.unregister(model_of(node), version)
        return failed

    def scale(self, node: str, version: str, workers: int) -> None:
        """Let a loaded version have so many workers, and wait for them.

        Under load, TorchServe now and then fails (500) while it counts its workers, halfway perhaps. How many
        there shall be can be said again.
        """
        for left in reversed(range(SCALE_TRIES)):
            try:
                self.management.scale(model_of(node), version, workers)
                break
            except ManagementError as error:
                if error.status < 500 or not left:
                    raise
                time.sleep(SCALE_PAUSE_S)
        self._wait_until_ready(node, version, workers)

    def _wait_until_ready(self, node: str, version: str, workers: int | None = None) -> None:
        """Until all workers are ready, however many or this many.

        Raises :class:`VersionFailedError` as soon as a worker has died, or it takes too long.
        """
        deadline = time.monotonic() + LOAD_S
        first: dict[str, int] = {}  # the process of each worker, as it was first seen
        while True:
            loaded = self.management.version(model_of(node), version)
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
        log = self.state / LOG_FILE
        while not (said := last_exception(log, model_of(node), version)) and time.monotonic() < deadline:
            time.sleep(POLL_S)
        return said

    def serve(self, pipeline: Pipeline, *, order: Iterable[str]) -> None:
        """Make a pipeline's versions the defaults, node by node."""
        for node in order:
            model, version = model_of(node), pipeline.node(node).version
            if self.management.default(model) != version:
                self.management.set_default(model, version)


@contextmanager
def _held(lock: Path, step: str, wait_s: float) -> Iterator[None]:
    """The lock, for as long as the block lasts; raises :class:`StepInProgressError` after ``wait_s``."""
    deadline = time.monotonic() + wait_s

    def wait(holder: str) -> None:
        if time.monotonic() > deadline:
            raise StepInProgressError(f"{holder or 'another step'} is under way")
        time.sleep(LOCK_POLL_S)

    with locked(lock, wait, holder=f"`{step}` (process {os.getpid()})"):
        yield
