"""A PostgreSQL server of one's own, from the system's packages, for as long as it is needed."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from benchmarks.ports import free_port

PACKAGES = Path("/usr/lib/postgresql")  # where Debian keeps its programs, by version
USERS = ("postgres", "nobody")  # whom it is run as by root, which it refuses to be
START_S = 60.0
STOP_S = 30.0
USER = "outofsync"


def program(name: str) -> str | None:
    """The path of one of PostgreSQL's programs, the newest; None where it is not installed."""
    if found := shutil.which(name):
        return found
    installed = sorted(PACKAGES.glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    return str(installed[-1]) if installed else None


class PostgresServer:
    """A server on loopback, whose data are gone with it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._user = _user()
        self._port = free_port()
        self.url = f"postgresql://{USER}@127.0.0.1:{self._port}/postgres"
        self.process: subprocess.Popen[bytes] | None = None

    def create(self) -> None:
        """Make the data; raises CalledProcessError where that fails."""
        if self._user is not None:
            os.chown(self._folder, self._user, -1)
        words = [_needed("initdb"), "-D", str(self._folder / "data"), "-U", USER, "--auth=trust", "--no-sync"]
        subprocess.run(words, check=True, user=self._user, cwd="/", stdout=subprocess.DEVNULL)

    def start(self) -> None:
        """Start it and wait until it takes connections; again after it was killed."""
        words = [_needed("postgres"), "-D", str(self._folder / "data"), "-p", str(self._port)]
        words += ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self._folder}"]
        with (self._folder / "log").open("ab") as log:
            self.process = subprocess.Popen(words, user=self._user, cwd="/", stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while not self._answers():
            if time.monotonic() > deadline:
                raise TimeoutError((self._folder / "log").read_text())
            time.sleep(0.05)

    def kill_connections(self) -> None:
        """End all its connections as if a process of its own had died: it recovers by itself."""
        backends = _children(self.process.pid) if self.process else []
        for pid in backends[:1]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """End it, with its connections."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:  # it recovers from the death of a connection, or would
                self.process.kill()
                self.process.wait()

    def _answers(self) -> bool:
        words = [_needed("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self._port)]
        return subprocess.run(words).returncode == 0


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A server that answers while the block lasts."""
    with tempfile.TemporaryDirectory(prefix="outofsync-postgres-") as folder:
        server = PostgresServer(Path(folder))
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop()


def missing() -> str | None:
    """Why there can be no server here, None where there can."""
    absent = [name for name in ("initdb", "postgres", "pg_isready") if program(name) is None]
    return f"PostgreSQL is not installed ({', '.join(absent)})" if absent else None


def _needed(name: str) -> str:
    found = program(name)
    if found is None:
        raise FileNotFoundError(f"PostgreSQL's {name} is not installed (Debian: apt-get install postgresql)")
    return found


def _user() -> int | None:
    """Whom to run it as, None for whoever we are."""
    if os.geteuid() != 0:
        return None
    for name in USERS:
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    raise LookupError("PostgreSQL refuses to be root, and there is nobody else here")


def _children(pid: int) -> list[int]:
    """The processes that serve its connections."""
    found = []
    for child in psutil.Process(pid).children():
        with suppress(psutil.Error):  # one that ends just now serves nobody
            if USER in " ".join(child.cmdline()):
                found.append(child.pid)
    return found
