"""One life of TorchServe: Java from its start to its end, and what is loaded into it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import psutil

from outofsync.timing import Stopwatch
from outofsync_client import OutOfSyncError
from outofsync_client.management import Management
from serving.processes import POLL_S, end
from serving.rollout import Models
from serving.rollout.warming import probe_workflow
from serving.settings import ServeError, ServerSettings
from serving.state import ServerState, StateFolder
from serving.supervisor import Check
from serving.torchserve import java
from serving.torchserve.leftovers import is_idle
from serving.torchserve.loading import (
    check_archives,
    load_workflow,
    renew_tokens,
    wait_until_listening,
)
from serving.torchserve.ports import Ports

JAVA_STOP_S = 30.0
WORKERS_STOP_S = 10.0

T = TypeVar("T")


class Server:
    """Java on its ports: of use once ``start``, ``listen`` and ``load`` have returned; ``stop`` it always.

    ``start`` is no part of making it, so that whoever stops it knows it before there is anything to stop.
    """

    def __init__(self, settings: ServerSettings, folder: StateFolder, ports: Ports) -> None:
        self.settings = settings
        self.folder = folder
        self.ports = ports
        self.watch = Stopwatch()
        self._process: subprocess.Popen[bytes] | None = None
        self._loader = futures.ThreadPoolExecutor(1)
        self._deadline = time.monotonic() + settings.start_s

    def start(self) -> None:
        """Start Java, and remember it in the state folder."""
        temporary = self.folder.make_temporary()
        properties = self.folder.properties_file
        properties.write_text(java.properties(self.settings, self.ports))
        self._process = java.start(
            properties,
            folder=self.folder.java_folder,
            temporary=temporary,
            progress=self.folder.progress_folder,
            settings=self.settings,
        )
        self.folder.record(os.getpid(), self._process.pid)

    def wait_for(self, step: Callable[[], T], check: Check) -> T:
        """Take a step in another thread; meanwhile look whether there is still a reason to.

        Raises what ``check`` or the step raises, and :class:`ServeError` where Java has ended or time is up.
        """
        taken = self._loader.submit(step)
        while not futures.wait([taken], POLL_S).done:
            check()
            self._remaining()
        with _as_sentences():
            return taken.result()

    def listen(self) -> None:
        """Until it listens; raises :class:`ServeError` where it does not, or should not load the archives."""
        with self.watch.stage("java"):
            check_archives(self.folder.path, self.settings.model_store)
            while java.read_keys(self.folder.java_folder) is None:
                self._remaining()
                time.sleep(POLL_S)
            with self._management("management") as management:
                wait_until_listening(management, self._remaining)

    def load(self) -> ServerState:
        """Load the workflow and the recorded pipelines, and try them."""
        with self._management("management") as management:
            with self.watch.stage("register"):
                load_workflow(management, self._remaining, plain_models=self.settings.plain_models)
            with self.watch.stage("restore"):
                models = Models(self.folder.path, self.settings.model_store, management=management)
                for note in models.restore():
                    sys.stderr.write(f"{note}\n")
        with self.watch.stage("probe"):
            probe_workflow(self.ports.inference_url, self._keys()["inference"], timeout=self._remaining())
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
        with _as_sentences(), self._management("API") as management:
            renew_tokens(management)
        return self.state()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """Java; raises :class:`ServeError` before it is started."""
        if self._process is None:
            raise ServeError("TorchServe was not started")
        return self._process

    @property
    def temporary(self) -> Path:
        """The folder of its sockets and unpacked archives."""
        return self.folder.temporary_link

    def is_idle(self) -> bool:
        """Whether TorchServe has nothing to do, and all its workers are ready for more."""
        with self._management("management") as management:
            return is_idle(management)

    def exit_code(self) -> int | None:
        """What Java ended with, None while it runs."""
        return self.process.poll()

    def threads(self) -> int:
        """Threads of Java, 0 where it has ended."""
        with suppress(psutil.Error):
            return int(psutil.Process(self.process.pid).num_threads())
        return 0

    def stop(self) -> None:
        """Terminate Java and see its workers off: they end by themselves once it has, but not at once."""
        if self._process is not None:
            workers: list[psutil.Process] = []
            with suppress(psutil.NoSuchProcess):
                workers = psutil.Process(self._process.pid).children(recursive=True)
            end(self._process, signal.SIGTERM, limit_s=JAVA_STOP_S)
            for worker in psutil.wait_procs(workers, timeout=WORKERS_STOP_S)[1]:
                with suppress(psutil.NoSuchProcess):
                    worker.kill()
        self._loader.shutdown()  # nothing answers any more, so that a step under way ends

    def _keys(self) -> dict[str, str]:
        keys = java.read_keys(self.folder.java_folder)
        if keys is None:
            raise ServeError("TorchServe's tokens are gone (key_file.json in its folder)")
        return keys

    def _management(self, purpose: str) -> Management:
        return Management(self.ports.management_url, self._keys()[purpose])

    def _remaining(self) -> float:
        """Seconds left for the start; raises :class:`ServeError` where the start has failed."""
        if (code := self.process.poll()) is not None:
            raise ServeError(f"TorchServe ended while starting (exit code {code})")
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise ServeError(f"the server was not ready after {self.settings.start_s:.0f} s")
        return remaining


@contextmanager
def _as_sentences() -> Iterator[None]:
    """What the management API or a roll-out says, for whoever starts a server."""
    try:
        yield
    except OutOfSyncError as error:
        raise ServeError(str(error)) from None
