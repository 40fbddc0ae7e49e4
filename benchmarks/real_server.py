"""A real TorchServe of one's own that is stopped, started and killed, and what kills it."""

from __future__ import annotations

import time
from pathlib import Path

import psutil

from archives.build import build
from benchmarks.engine import CHECKPOINTS
from outofsync_client import OutOfSyncError
from outofsync_client.management import Management
from outofsync_client.protocol import NODES, model_of
from serving.lifecycle import start, stop
from serving.settings import ServerSettings
from serving.state import StateFolder

DRAIN_S = 1.0  # what is under way does not hold a stop up
JAVA_S = 150.0  # between two kills of Java: a supervisor takes five in ten minutes for a fault


class RealServer:
    """A server with a state folder, from archives that are built where no store is given."""

    def __init__(self, folder: Path, store: Path | None = None) -> None:
        if store is None:
            store = folder / "model_store"
            build(CHECKPOINTS, store)
        self.state = folder / "state"
        self.settings = ServerSettings(
            state=self.state, model_store=store, plain_models=False, drain_s=DRAIN_S
        )
        self._killed = -JAVA_S

    def start(self) -> None:
        start(self.settings)

    def end(self) -> None:
        stop(self.state, drain_s=DRAIN_S)

    def restart(self) -> None:
        """As ``make stop`` and ``make serve`` do."""
        self.end()
        self.start()

    def kill(self) -> bool:
        """SIGKILL to Java, which its supervisor starts anew; to a worker, where that was a moment ago."""
        java = time.monotonic() >= self._killed + JAVA_S
        return self.kill_java() if java else self.kill_worker()

    def kill_java(self) -> bool:
        """False where there is none just now."""
        self._killed = time.monotonic()
        java = [parent for worker in self._workers()[:1] if (parent := worker.parent())]
        return _killed(java)

    def kill_worker(self) -> bool:
        """That of the second node; Java starts it anew. False where there is none just now."""
        return _killed(self._workers()[-1:])

    def _workers(self) -> list[psutil.Process]:
        """A worker of each node, as far as there are any."""
        server = StateFolder(self.state).server()
        if server is None:
            return []
        try:
            with Management(server.management_url, server.management_token) as management:
                loaded = [management.version(model_of(node)) for node in NODES]
            return [psutil.Process(found.workers[0].pid) for found in loaded if found and found.workers]
        except (OutOfSyncError, psutil.NoSuchProcess):  # it is being started anew
            return []


def _killed(processes: list[psutil.Process]) -> bool:
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            return False
    return bool(processes)
