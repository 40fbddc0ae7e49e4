"""Start, watch and stop a server: ``python -m config.serve start|run|status|env|rotate|stop``.

``start`` returns once the server is ready; ``run`` stays in the foreground, for service managers.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from config import java
from config.documents import from_document, to_document
from config.processes import POLL_S, in_background
from config.server import JAVA_STOP_S, WORKERS_STOP_S
from config.settings import DEFAULT_STATE, DEFAULT_STORE, ServeError, ServerSettings
from config.state import ServerState, StateFolder
from config.supervisor import Restarts, Supervisor
from config.torchserve import TorchServe

ROTATION_S = 30.0  # the longest a change of tokens may take


def start(settings: ServerSettings) -> ServerState:
    """Start a server in the background and wait until it is ready; raises :class:`ServeError`."""
    folder = StateFolder(settings.state)
    if running := folder.supervisor():
        server = folder.server()
        where = f"at {server.url}" if server else f"and is about to be ready (process {running.pid})"
        raise ServeError(f"a server runs already {where}; stop it first: make stop")
    end_orphans(folder)
    folder.create()
    words = ["config.serve", "run", "--settings", to_document(settings)]
    server = in_background(words, folder.log_file, folder.server)
    if server is None:
        raise ServeError(f"{folder.complaints()}\nthe server did not start; its log is {folder.log_file}")
    return server


def run(settings: ServerSettings) -> None:
    """Serve in the foreground until terminated; raises :class:`ServeError` where it fails for good."""
    folder = StateFolder(settings.state)
    if running := folder.supervisor():
        raise ServeError(f"a server runs from {folder.path} already (process {running.pid})")
    java.check_device(settings.device)
    folder.create()
    folder.clear(os.getpid())
    torchserve = TorchServe(settings, folder)
    signal.signal(signal.SIGHUP, torchserve.ask_for_rotation)
    try:
        Supervisor([torchserve], Restarts(), status="a probe clip went through the workflow").run()
    finally:
        folder.clear()


def stop(state: Path, *, drain_s: float) -> bool:
    """Stop the server of one state folder and no other; False where none runs."""
    folder = StateFolder(state)
    processes = folder.processes()
    if not processes:
        return False
    processes[0].terminate()
    psutil.wait_procs(processes, timeout=drain_s + JAVA_STOP_S + WORKERS_STOP_S + 5)
    end_orphans(folder)
    return True


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


def end_orphans(folder: StateFolder) -> None:
    """End what a supervisor that was killed, or does not end, has left running."""
    left: list[psutil.Process] = []
    for process in folder.processes():
        with suppress(psutil.NoSuchProcess):
            left += [process, *process.children(recursive=True)]
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=JAVA_STOP_S)
    folder.clear()


def exports(server: ServerState) -> str:
    """Shell commands that tell a client, and whoever manages models, where the server is."""
    variables = {
        "OUTOFSYNC_URL": server.url,
        "OUTOFSYNC_TOKEN": server.token,
        "OUTOFSYNC_MANAGEMENT_URL": server.management_url,
        "OUTOFSYNC_MANAGEMENT_TOKEN": server.management_token,
    }
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


@contextmanager
def running(settings: ServerSettings) -> Iterator[ServerState]:
    """A server for as long as the block lasts."""
    try:
        yield start(settings)
    finally:
        stop(settings.state, drain_s=settings.drain_s)


def parse_settings(arguments: list[str]) -> tuple[str, ServerSettings]:
    defaults = ServerSettings()
    parser = argparse.ArgumentParser(description="Run OutOfSync's server.")
    parser.add_argument("action", choices=("start", "run", "status", "env", "rotate", "stop"))
    parser.add_argument("--state", type=Path, default=DEFAULT_STATE, help="folder of this server's state")
    parser.add_argument("--model-store", type=Path, default=DEFAULT_STORE, help="folder of the archives")
    parser.add_argument(
        "--config", type=Path, default=defaults.config, help="folder of the server's settings"
    )
    parser.add_argument("--port", type=int, help="default: 8080, or any free port where it is in use")
    parser.add_argument("--device", default=defaults.device, help="cpu or cuda:N")
    parser.add_argument("--workflow-only", action="store_true", help="no /predictions/…: half the memory")
    parser.add_argument("--start-seconds", type=float, default=defaults.start_s)
    parser.add_argument("--drain-seconds", type=float, default=defaults.drain_s)
    parser.add_argument(
        "--rotate-hours", type=float, default=defaults.rotate_s / 3600.0, help="age of tokens"
    )
    parser.add_argument("--settings", help="all of them as one JSON document, instead of the options above")
    options = parser.parse_args(arguments)
    if options.settings:
        return options.action, from_document(ServerSettings, options.settings)
    settings = ServerSettings(
        state=options.state.resolve(),
        model_store=options.model_store.resolve(),
        config=options.config.resolve(),
        port=options.port,
        device=options.device,
        plain_models=not options.workflow_only,
        start_s=options.start_seconds,
        drain_s=options.drain_seconds,
        rotate_s=options.rotate_hours * 3600.0,
    )
    return options.action, settings


def perform(action: str, settings: ServerSettings) -> int:
    """Carry out one command; raises :class:`ServeError`."""
    say = sys.stdout.write
    if action == "run":
        run(settings)
    if action == "start":
        server = start(settings)
        say(f"serving at {server.url} (process {server.pid}); make stop ends it\n")
    elif action == "stop":
        stopped = stop(settings.state, drain_s=settings.drain_s)
        say("stopped\n" if stopped else f"no server runs from {settings.state}\n")
    elif action == "rotate":
        rotate(settings.state)
        say("the tokens were changed; clients that read the state folder follow\n")
    elif action == "env":
        ready = StateFolder(settings.state).server()
        if ready is None:
            raise ServeError("no server is ready; start one: make serve")
        say(exports(ready))
    else:
        ready = StateFolder(settings.state).server()
        say(f"ready at {ready.url} (process {ready.pid})\n" if ready else "no server is ready\n")
        return 0 if ready else 1
    return 0


def main() -> int:
    try:
        return perform(*parse_settings(sys.argv[1:]))
    except ServeError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
