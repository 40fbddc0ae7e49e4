"""What an edge runs: nginx, a gateway where none runs already, and word of where it answers."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from gateway.settings import GatewaySettings
from outofsync_client.protocol import EDGE
from outofsync_client.protocol.private_files import write_private
from serving.edge.render import render
from serving.edge.settings import EdgeSettings
from serving.edge.user import WorkerUser, worker_user
from serving.processes import POLL_S, SupervisedFolder
from serving.programs import Program
from serving.settings import ServeError, to_document
from serving.supervisor import Check, Restarts, Service, Supervisor

START_S = 30.0
READY_FILE = "edge.json"
# It is started anew for ever: callers are told to come back later as long as one of the two is there.
RESTARTS = Restarts(limit=None)


class Gateway(Program):
    """A gateway behind a socket that nginx's workers may use."""

    def __init__(
        self,
        settings: EdgeSettings,
        socket: Path,
        user: WorkerUser | None,
        record: Callable[[], object],
    ) -> None:
        chosen = GatewaySettings(
            states=settings.states,
            keys=settings.key_file,
            socket=socket,
            metrics_port=settings.metrics_port,
            answer_s=settings.answer_s,
            header_s=settings.header_s,
            notice_s=0.0,  # nginx ends first, so nobody comes any more
            request_bytes=settings.request_bytes,
            jobs=settings.jobs,
        )
        words = [sys.executable, "-m", "gateway", "--settings", to_document(chosen)]
        log = settings.folder / "gateway.log"
        super().__init__("gateway", words, stop_with=signal.SIGTERM, log=log, record=record)
        self._socket = socket
        self._user = user

    def watch(self) -> str | None:
        if self._user is not None:
            with suppress(FileNotFoundError):  # not yet, or about to be made anew
                self._user.own(self._socket)
        return super().watch()


class Announcement:
    """``edge.json``, which is there while callers are answered."""

    def __init__(self, settings: EdgeSettings, programs: Sequence[Program]) -> None:
        self._settings = settings
        self._programs = programs
        self._file = settings.folder / READY_FILE

    def __str__(self) -> str:
        return "the edge"

    def start(self, check: Check) -> None:
        """Once the health route is answered, whatever it says: servers may come later."""
        deadline = time.monotonic() + START_S
        while not _answers(self._settings):
            check()
            for program in self._programs:
                if program.watch():
                    raise ServeError(f"{program} did not start; its log is {program.log}")
            if time.monotonic() > deadline:
                folder = self._settings.folder
                raise ServeError(f"the edge did not answer within {START_S:.0f} s; its logs are in {folder}")
            time.sleep(POLL_S)
        settings = self._settings
        values = {"url": settings.url, "pid": os.getpid(), "metrics_port": settings.metrics_port}
        write_private(self._file, json.dumps(values))  # whole or not at all: it is waited for

    def watch(self) -> str | None:
        return None

    def stop(self, *, drained: bool) -> None:  # noqa: ARG002
        self._file.unlink(missing_ok=True)


def run(settings: EdgeSettings) -> None:
    """Run an edge in the foreground until terminated; raises :class:`ServeError` where it cannot start."""
    user = worker_user(settings)
    folder = SupervisedFolder(settings.folder)
    if before := folder.supervisor():
        raise ServeError(f"an edge runs from {folder.path} already (process {before.pid})")
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.end_strays()
    (folder.path / READY_FILE).unlink(missing_ok=True)
    folder.record(os.getpid())
    try:
        _run(settings, user, folder)
    finally:
        folder.clear()


def _run(settings: EdgeSettings, user: WorkerUser | None, folder: SupervisedFolder) -> None:
    # Sockets' names must be short, and nginx's workers may not look into the folder of the server's tokens.
    with tempfile.TemporaryDirectory(prefix="outofsync-edge-") as temporary:
        shared = Path(temporary)
        programs: list[Program] = []

        def record() -> None:
            folder.record(os.getpid(), *(program.pid for program in programs if program.pid))

        gateways = list(settings.gateways)
        if not gateways:
            socket = shared / "gateway.sock"
            gateways = [f"unix:{socket}"]
            programs.append(Gateway(settings, socket, user, record))
        configuration = render(settings, gateways, shared, user)
        check(configuration)
        words = [nginx(), "-p", str(settings.folder), "-c", str(configuration)]
        log = settings.folder / "nginx.log"
        programs.append(Program("nginx", words, stop_with=signal.SIGQUIT, log=log, record=record))
        services: list[Service] = [*programs, Announcement(settings, programs)]
        Supervisor(services, RESTARTS, status=f"serving at {settings.url}").run()


def nginx() -> str:
    """nginx's program; raises :class:`ServeError` where there is none."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise ServeError("nginx is not installed; install it (Debian and Ubuntu: apt-get install nginx)")
    return found


def check(configuration: Path) -> None:
    """Raises :class:`ServeError` with nginx's own words where it does not accept the configuration."""
    command = [nginx(), "-t", "-q", "-p", str(configuration.parent), "-c", str(configuration)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ServeError(f"nginx does not accept its configuration:\n{done.stderr.strip()}")


def _answers(settings: EdgeSettings) -> bool:
    """Whether a gateway is reached through nginx."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE  # it is ourselves we ask
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    connection = http.client.HTTPSConnection(host, settings.port, timeout=5, context=trusting)
    try:
        connection.request("GET", EDGE.health)
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        return "servers" in answer
    except (OSError, ValueError, http.client.HTTPException):
        return False
    finally:
        with suppress(OSError):
            connection.close()
