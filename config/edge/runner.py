"""Runs an edge: a gateway and nginx, each started anew when it dies, both stopped without losing anybody."""

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
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from config import notify
from config.edge.render import render
from config.edge.settings import EdgeSettings
from config.settings import ROOT, ServeError

START_S = 30.0
STOP_S = 75.0  # longer than the gateway gives requests under way
POLL_S = 0.1
PAUSE_S = 0.5  # before a process is started anew
READY_FILE = "edge.json"


@dataclass
class Part:
    """One of the edge's processes."""

    name: str
    command: list[str]
    stop_signal: signal.Signals
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def has_ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


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


class Edge:
    """One edge, from its start to its end."""

    def __init__(self, settings: EdgeSettings) -> None:
        self.settings = settings
        self._sockets = Path(tempfile.mkdtemp(prefix="outofsync-edge-"))  # sockets' names must be short
        self.parts: list[Part] = []

    def run(self) -> NoReturn:
        """Until terminated; raises :class:`ServeError` where it cannot start."""
        for terminator in (signal.SIGTERM, signal.SIGINT):
            signal.signal(terminator, lambda *_: sys.exit(0))
        try:
            self._start()
            while True:
                time.sleep(POLL_S)
                for part in self.parts:
                    if part.has_ended():
                        sys.stderr.write(f"{part.name} ended by itself; it is started anew\n")
                        time.sleep(PAUSE_S)
                        part.start()
        finally:
            for terminator in (signal.SIGTERM, signal.SIGINT):
                signal.signal(terminator, signal.SIG_IGN)
            self._stop()

    def _start(self) -> None:
        folder = self.settings.folder
        folder.mkdir(parents=True, exist_ok=True)
        gateways = list(self.settings.gateways)
        if not gateways:
            path = self._sockets / "gateway.sock"
            gateways = [f"unix:{path}"]
            self.parts.append(self._gateway(path))
        configuration = render(self.settings, gateways)
        check(configuration)
        command = [nginx(), "-p", str(folder), "-c", str(configuration)]
        self.parts.append(Part("nginx", command, signal.SIGQUIT, folder / "nginx.log"))
        for part in self.parts:
            part.start()
        self._wait()
        values = {"url": self.settings.url, "pid": os.getpid(), "metrics_port": self.settings.metrics_port}
        (folder / READY_FILE).write_text(json.dumps(values))
        notify.ready()

    def _gateway(self, path: Path) -> Part:
        words = [
            sys.executable,
            "-m",
            "gateway",
            "--socket",
            str(path),
            "--keys",
            str(self.settings.key_file),
        ]
        for state in self.settings.states:
            words += ["--state", str(state)]
        if self.settings.metrics_port is not None:
            words += ["--metrics-port", str(self.settings.metrics_port)]
        words += ["--answer-seconds", str(self.settings.answer_s)]
        return Part("gateway", words, signal.SIGTERM, self.settings.folder / "gateway.log")

    def _wait(self) -> None:
        """Until the health route is answered, whatever it says: servers may come later."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            for part in self.parts:
                if part.has_ended():
                    raise ServeError(f"{part.name} did not start; its log is {part.log}")
            if _answers(self.settings):
                return
            time.sleep(POLL_S)
        raise ServeError(
            f"the edge did not answer within {START_S:.0f} s; its logs are in {self.settings.folder}"
        )

    def _stop(self) -> None:
        """New callers are refused first, then those under way are answered."""
        notify.stopping()
        (self.settings.folder / READY_FILE).unlink(missing_ok=True)
        for part in reversed(self.parts):
            part.stop()
        shutil.rmtree(self._sockets, ignore_errors=True)


def _answers(settings: EdgeSettings) -> bool:
    """Whether a gateway is reached through nginx."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE  # it is ourselves we ask
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    connection = http.client.HTTPSConnection(host, settings.port, timeout=5, context=trusting)
    try:
        connection.request("GET", "/v1/health")
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        return "servers" in answer
    except (OSError, ValueError, http.client.HTTPException):
        return False
    finally:
        with suppress(OSError):
            connection.close()
