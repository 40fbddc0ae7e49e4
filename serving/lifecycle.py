"""Servers from their start to their end, by their state folders."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from outofsync.confinement import warning
from serving.log import complaints
from serving.processes import POLL_S, in_background
from serving.settings import ServeError, ServerSettings, to_document
from serving.state import ServerState, StateFolder
from serving.supervisor import Check, Restarts, Supervisor
from serving.torchserve import java
from serving.torchserve.server import JAVA_STOP_S, WORKERS_STOP_S
from serving.torchserve.service import TorchServe

ROTATION_S = 30.0  # the longest a change of tokens may take


def start(settings: ServerSettings, check: Check = lambda: None) -> ServerState:
    """Start a server in the background and wait until it is ready; raises :class:`ServeError`.

    ``check`` is called while waiting; where it raises, nothing is left of the server.
    """
    _warn()
    folder = StateFolder(settings.state)
    if running := folder.supervisor():
        server = folder.server()
        where = f"at {server.url}" if server else f"and is about to be ready (process {running.pid})"
        raise ServeError(f"a server runs already {where}; stop it first: make stop")
    folder.create()
    words = ["serving", "run", "--settings", to_document(settings)]

    def look() -> ServerState | None:
        check()
        return folder.server()

    server = in_background(words, folder.log_file, look)
    if server is None:
        log = folder.log_file
        raise ServeError(f"{complaints(log)}\nthe server did not start; its log is {log}")
    return server


def run(settings: ServerSettings) -> None:
    """Serve in the foreground until terminated; raises :class:`ServeError` where it fails for good."""
    folder = StateFolder(settings.state)
    if running := folder.supervisor():
        raise ServeError(f"a server runs from {folder.path} already (process {running.pid})")
    java.check_device(settings.device)
    _warn()
    folder.create()
    folder.end_strays()
    folder.record(os.getpid())
    torchserve = TorchServe(settings, folder)
    signal.signal(signal.SIGHUP, torchserve.ask_for_rotation)
    try:
        Supervisor([torchserve], Restarts(), status="a probe clip went through the workflow").run()
    finally:
        folder.clear()


def stop(state: Path, *, drain_s: float) -> bool:
    """Stop the server of one state folder and no other; False where none runs."""
    return StateFolder(state).stop(limit_s=drain_s + JAVA_STOP_S + WORKERS_STOP_S + 5)


def rotate(state: Path) -> ServerState:
    """Let a running server make its tokens anew; raises :class:`ServeError` where none is ready."""
    folder = StateFolder(state)
    before, supervisor = folder.server(), folder.supervisor()
    if before is None or supervisor is None:
        raise ServeError("no server is ready; start one: make serve")
    supervisor.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + ROTATION_S
    while time.monotonic() < deadline:
        now = folder.server()
        if now is not None and now.token != before.token:
            return now
        time.sleep(POLL_S)
    raise ServeError(f"the tokens were not changed; {folder.log_file} says why")


def _warn() -> None:
    """Say what this machine lacks to confine decoders, if anything."""
    if lacking := warning():
        sys.stderr.write(f"warning: {lacking}\n")


@contextmanager
def running(settings: ServerSettings) -> Iterator[ServerState]:
    """A server for as long as the block lasts."""
    try:
        yield start(settings)
    finally:
        stop(settings.state, drain_s=settings.drain_s)
