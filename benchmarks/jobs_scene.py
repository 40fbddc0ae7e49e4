"""Gateways before a server, on one database: all that ``benchmarks.jobs`` kills."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from benchmarks.ports import free_port
from benchmarks.postgres import PostgresServer, postgres_server
from benchmarks.real_server import RealServer

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "samples" / "synchronised.mp4"
LEASE_S = 3.0


class Killable:
    """A process that is started again whenever it was killed."""

    def __init__(self, name: str, words: list[str], log: Path) -> None:
        self.name = name
        self._words = words
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._words, cwd=ROOT, stdout=log, stderr=log)

    def kill(self) -> None:
        """SIGKILL, and start it anew."""
        self.end()
        self.start()

    def end(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()


class Scene:
    """Gateways before a stand-in, on one database."""

    def __init__(
        self,
        folder: Path,
        gateways: int,
        postgres: PostgresServer | None,
        seconds: float,
        real: RealServer | None,
    ) -> None:
        self.state = folder / "state"
        self.logs: list[Path] = []
        self.real = real is not None
        if real is not None:
            real.start()
            server: Killable | RealServer = real
        else:
            self.state.mkdir()
            words = [sys.executable, "-m", "benchmarks.stand_in", str(self.state), "--seconds", str(seconds)]
            server = Killable("server", words, folder / "server.log")
        self.victims: list[tuple[str, Callable[[], object]]] = [("server", server.kill)]
        self._processes = [server]
        self.urls = []
        for number in range(gateways):
            port, log = free_port(), folder / f"gateway-{number}.log"
            gateway = Killable("gateway", gateway_words(self.state, port, postgres), log)
            self.logs.append(log)
            self.urls.append(f"http://127.0.0.1:{port}")
            self._processes.append(gateway)
            self.victims.append(("gateway", gateway.kill))
        if postgres is not None:
            self.victims.append(("database", postgres.kill_connections))

    def body(self, words: bytes) -> bytes:
        """A file that no other is like, which a real server can judge."""
        if not self.real:
            return words
        box = b"free" + words  # of MP4: nobody looks into it
        return SAMPLE.read_bytes() + struct.pack(">I", 4 + len(box)) + box

    def end(self) -> None:
        for process in self._processes:
            process.end()


def gateway_words(state: Path, port: int, postgres: PostgresServer | None) -> list[str]:
    """A gateway before that server, on SQLite where no database is given."""
    jobs = {"lease_s": LEASE_S, "database": postgres and postgres.url, "most_unfinished": 1_000_000}
    chosen = {
        "states": [str(state)],
        "keys": None,
        "port": port,
        "health_s": 0.5,
        "notice_s": 0,
        "jobs": jobs,
    }
    return [sys.executable, "-m", "gateway", "--settings", json.dumps(chosen)]


@contextmanager
def scene(gateways: int, postgres: bool, seconds: float, *, real: bool = False) -> Iterator[Scene]:
    """Everything that is killed, while the block lasts."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="outofsync-jobs-")))
        database = stack.enter_context(postgres_server()) if postgres else None
        server = RealServer(folder) if real else None
        if server is not None:
            stack.callback(server.end)
        made = Scene(folder, gateways, database, seconds, server)
        stack.callback(made.end)
        with httpx.Client(timeout=5, trust_env=False) as client:
            _until(lambda: all(_ready(client, url) for url in made.urls))
        yield made


def _ready(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(f"{url}/v1/health").status_code == 200
    except httpx.TransportError:
        return False


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("a gateway does not become ready")
        time.sleep(0.05)
