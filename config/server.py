"""One life of TorchServe: Java from its start to its end, and what is loaded into it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress

import psutil

from config import java
from config.management import POLL_S, Management
from config.ports import Ports
from config.settings import ServeError, ServerSettings, server_properties
from config.state import ServerState, StateFolder
from outofsync.timing import Stopwatch

JAVA_STOP_S = 30.0
WORKERS_STOP_S = 10.0


class Server:
    """Java on its ports: started when this is made, of use once ``load`` has returned; ``stop`` it always."""

    def __init__(self, settings: ServerSettings, folder: StateFolder, ports: Ports) -> None:
        self.settings = settings
        self.folder = folder
        self.ports = ports
        self.temporary = folder.make_temporary()
        self.watch = Stopwatch()
        self._deadline = time.monotonic() + settings.start_s
        folder.properties_file.write_text(server_properties(settings, ports))
        self.process = java.start(
            folder.properties_file, folder=folder.java_folder, temporary=self.temporary, settings=settings
        )
        folder.record(os.getpid(), self.process.pid)

    def wait(self) -> None:
        """Until it listens; raises :class:`ServeError` where it does not, or should not load the archives."""
        from config.pipelines import check_archives  # takes a while to import, in which Java starts

        with self.watch.stage("java"):
            check_archives(self.folder.path, self.settings.model_store)
            while java.read_keys(self.folder.java_folder) is None:
                self._remaining()
                time.sleep(POLL_S)
            self._management().wait()

    def load(self) -> ServerState:
        """Load the workflow and the recorded pipelines, and try them; raises :class:`ServeError`."""
        from config.pipelines import restore_pipelines
        from config.probe import probe_workflow

        keys = self._keys()
        with self.watch.stage("register"):
            self._management().register(plain_models=self.settings.plain_models)
        with self.watch.stage("restore"):
            for note in restore_pipelines(
                self.folder.path, self.settings.model_store, self.ports.management_url, keys["management"]
            ):
                sys.stderr.write(f"{note}\n")
        with self.watch.stage("probe"):
            probe_workflow(self.ports.inference_url, keys["inference"], timeout=self._remaining())
        return self.state()

    def state(self) -> ServerState:
        """What a client needs to find it, with its tokens of now."""
        keys = self._keys()
        return ServerState(
            url=self.ports.inference_url,
            management_url=self.ports.management_url,
            metrics_url=self.ports.metrics_url,
            pid=os.getpid(),
            token=keys["inference"],
            management_token=keys["management"],
            start_ms=self.watch.timing_ms,
        )

    def rotate(self) -> ServerState:
        """Make TorchServe's tokens anew; the old ones end at once. Raises :class:`ServeError`."""
        management = self._management(self._keys()["API"])
        for purpose in ("inference", "management"):
            management.renew_token(purpose)
        return self.state()

    def threads(self) -> int:
        """Threads of Java, 0 where it has ended."""
        with suppress(psutil.Error):
            return int(psutil.Process(self.process.pid).num_threads())
        return 0

    def stop(self) -> None:
        """Terminate Java and see its workers off: they end by themselves once it has, but not at once."""
        workers: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            workers = psutil.Process(self.process.pid).children(recursive=True)
        self.process.terminate()
        try:
            self.process.wait(JAVA_STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for worker in psutil.wait_procs(workers, timeout=WORKERS_STOP_S)[1]:
            with suppress(psutil.NoSuchProcess):
                worker.kill()

    def _keys(self) -> dict[str, str]:
        keys = java.read_keys(self.folder.java_folder)
        if keys is None:
            raise ServeError("TorchServe's tokens are gone (key_file.json in its folder)")
        return keys

    def _management(self, token: str | None = None) -> Management:
        return Management(self.ports.management_url, token or self._keys()["management"], self._remaining)

    def _remaining(self) -> float:
        """Seconds left for the start; raises :class:`ServeError` where the start has failed."""
        if self.process.poll() is not None:
            raise ServeError(f"TorchServe ended while starting (exit code {self.process.returncode})")
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise ServeError(f"the server was not ready after {self.settings.start_s:.0f} s")
        return remaining
