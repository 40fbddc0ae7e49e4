"""Runs one TorchServe: starts it, loads the workflow, tries it, declares it ready, and drains it at the end.

TorchServe loads no workflow at start, is "healthy" without one, and resets open connections when it is
terminated; this process fills those gaps and is what a service manager should run.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import NoReturn

import psutil

from config import java
from config.management import POLL_S, Management
from config.settings import LOOPBACK, Ports, ServeError, ServerSettings, choose_ports, server_properties
from config.state import ServerState, StateFolder
from outofsync.timing import Stopwatch

JAVA_STOP_S = 30.0
WORKERS_STOP_S = 10.0


class Supervisor:
    """One server from start to end."""

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.folder = StateFolder(settings.state)
        self.deadline = time.monotonic() + settings.start_s
        self.java: subprocess.Popen[bytes] | None = None
        self.watch = Stopwatch()

    def run(self) -> NoReturn:
        """Serve until terminated, then exit; raises :class:`ServeError` where the server fails instead."""
        if running := self.folder.supervisor():
            raise ServeError(f"a server runs from {self.folder.path} already (process {running.pid})")
        java.check_device(self.settings.device)
        ports = choose_ports(self.settings.port)
        self.folder.create()
        for terminator in (signal.SIGTERM, signal.SIGINT):
            signal.signal(terminator, lambda *_: sys.exit(0))
        try:
            self._serve(ports)
        finally:
            for terminator in (signal.SIGTERM, signal.SIGINT):
                signal.signal(terminator, signal.SIG_IGN)
            self._end(ports)

    def _serve(self, ports: Ports) -> NoReturn:
        """From Java's start to its end."""
        self.folder.clear()
        self.folder.record(os.getpid())
        self.folder.properties_file.write_text(server_properties(self.settings, ports))
        with self.watch.stage("java"):
            self.java = java.start(
                self.folder.properties_file,
                folder=self.folder.java_folder,
                temporary=self.folder.make_temporary(),
                settings=self.settings,
            )
            self.folder.record(os.getpid(), self.java.pid)
            from config.probe import probe_workflow  # takes a while to import, in which Java starts

            keys = self._keys()
            management = Management(ports.management_url, keys["management"], self._remaining)
            management.wait()
        with self.watch.stage("register"):
            management.register(plain_models=self.settings.plain_models)
        with self.watch.stage("probe"):
            probe_workflow(ports.inference_url, keys["inference"], timeout=self._remaining())
        server = ServerState(
            url=ports.inference_url,
            management_url=ports.management_url,
            metrics_url=f"http://{LOOPBACK}:{ports.metrics}/metrics",
            pid=os.getpid(),
            token=keys["inference"],
            management_token=keys["management"],
            start_ms=self.watch.timing_ms,
        )
        self.folder.publish(server)
        raise ServeError(f"TorchServe ended by itself (exit code {self.java.wait()})")

    def _keys(self) -> dict[str, str]:
        """TorchServe's tokens, once it has made them."""
        while (keys := java.read_keys(self.folder.java_folder)) is None:
            self._remaining()
            time.sleep(POLL_S)
        return keys

    def _remaining(self) -> float:
        """Seconds left for the start; raises :class:`ServeError` where the start has failed."""
        if self.java is not None and self.java.poll() is not None:
            raise ServeError(f"TorchServe ended while starting (exit code {self.java.returncode})")
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise ServeError(f"the server was not ready after {self.settings.start_s:.0f} s")
        return remaining

    def _end(self, ports: Ports) -> None:
        """Take no new callers, let requests under way finish, stop Java, leave nothing but the log."""
        ready = self.folder.server_file.exists()
        self.folder.withdraw()
        if self.java is not None:
            if ready:
                drain(self.java.pid, ports.inference, self.settings.drain_s)
            stop_java(self.java)
        self.folder.clear()


def drain(pid: int, port: int, limit_s: float) -> None:
    """Wait until nobody is connected to the port, at most ``limit_s``."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        try:
            connections = psutil.Process(pid).net_connections("tcp")
        except psutil.Error:
            return
        served = (c for c in connections if c.laddr.port == port and c.status == psutil.CONN_ESTABLISHED)
        if not any(served):
            return
        time.sleep(POLL_S)


def stop_java(process: subprocess.Popen[bytes]) -> None:
    """Terminate Java and see its workers off: they end by themselves once it has, but not at once."""
    try:
        workers = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        workers = []
    process.terminate()
    try:
        process.wait(JAVA_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for worker in psutil.wait_procs(workers, timeout=WORKERS_STOP_S)[1]:
        with suppress(psutil.NoSuchProcess):
            worker.kill()
