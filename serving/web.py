"""``make web``: the page in the browser, on this machine alone, from nothing to its first verdict.

A server (of its own, or the one that ``make serve`` started) and a gateway on loopback, without nginx,
certificate or keys: the page brings a token of its own. It stays in the foreground until Ctrl-C, and ends
what it started.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.access import new_session
from gateway.jobs.settings import DATABASE_VARIABLE, FOLDER, JobSettings
from gateway.settings import GatewaySettings
from outofsync_client.protocol import EDGE, LOOPBACK
from outofsync_client.protocol.private_files import write_private
from serving import browser, lifecycle
from serving.processes import POLL_S, SupervisedFolder
from serving.programs import Program
from serving.settings import DEFAULT_STATE, DEFAULT_STORE, ServeError, ServerSettings, to_document
from serving.state import StateFolder
from serving.supervisor import Check, Restarts, Service, Supervisor

DEFAULT_PORT = 8090  # the same each time, where it is free: browsers keep the page's history by its address
BACKLOG = 512
START_S = 600.0
DRAIN_S = 5.0  # for requests under way: who pressed Ctrl-C waits
READY_FILE, SESSION_FILE = "page.json", "session"


@dataclass(frozen=True)
class WebSettings:
    """Choices of whoever starts the page; ``port`` None takes 8090, or any free port where it is taken."""

    state: Path = DEFAULT_STATE
    model_store: Path = DEFAULT_STORE
    device: str = "cpu"
    port: int | None = None
    show: bool = True  # in a browser, where there is one

    @property
    def folder(self) -> Path:
        """Where everything of the page lies; private to its owner."""
        return self.state.resolve() / "web"


class OwnServer:
    """A server for the page alone, in the background, where its own supervisor keeps it running."""

    def __init__(self, settings: WebSettings) -> None:
        self._settings = ServerSettings(
            state=settings.folder / "server",
            model_store=settings.model_store,
            device=settings.device,
            plain_models=False,
            start_s=START_S,
            drain_s=DRAIN_S,
        )
        self.folder = StateFolder(self._settings.state)

    def __str__(self) -> str:
        return "the server"

    def start(self, check: Check) -> None:
        lifecycle.stop(self._settings.state, drain_s=0.0)  # of a page that was killed
        sys.stdout.write("loading the networks: about half a minute …\n")
        sys.stdout.flush()
        lifecycle.start(self._settings, check)

    def watch(self) -> str | None:
        return None if self.folder.supervisor() else f"the server ended; its log is {self.folder.log_file}"

    def stop(self, *, drained: bool) -> None:
        lifecycle.stop(self._settings.state, drain_s=DRAIN_S if drained else 0.0)


class Announcement:
    """Says where the page is, once a video would be judged."""

    def __init__(self, settings: WebSettings, url: str, gateway: Program) -> None:
        self._settings = settings
        self._url = url
        self._gateway = gateway
        self._file = settings.folder / READY_FILE

    def __str__(self) -> str:
        return "the page"

    def start(self, check: Check) -> None:
        deadline = time.monotonic() + START_S
        while not _is_ready(self._url):
            check()
            if self._gateway.watch() or time.monotonic() > deadline:
                raise ServeError(f"the gateway is not ready; its log is {self._gateway.log}")
            time.sleep(POLL_S)
        write_private(self._file, json.dumps({"url": self._url, "pid": os.getpid()}))
        session = shlex.quote(str(self._settings.folder / SESSION_FILE))
        shown = self._settings.show and browser.show(f"{self._url}/")
        sys.stdout.write(
            f"the page is {'open' if shown else 'ready'}: {self._url}/\n"
            "Ctrl-C ends it. For the command line and the Python client, in another terminal:\n"
            f'  export OUTOFSYNC_URL={self._url} OUTOFSYNC_API_KEY="$(cat {session})"\n'
        )
        sys.stdout.flush()

    def watch(self) -> str | None:
        return None

    def stop(self, *, drained: bool) -> None:  # noqa: ARG002
        self._file.unlink(missing_ok=True)


def run(settings: WebSettings) -> None:
    """Serve the page in the foreground until terminated; raises :class:`ServeError` where it cannot start."""
    folder = SupervisedFolder(settings.folder)
    if before := folder.supervisor():
        where = _place(settings)
        raise ServeError(f"the page is served already{where}; Ctrl-C (or kill {before.pid}) ends it")
    folder.end_strays()
    with listen(settings.port) as opened:
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.path.chmod(0o700)
        (folder.path / READY_FILE).unlink(missing_ok=True)
        new_session(folder.path / SESSION_FILE)
        folder.record(os.getpid())
        needed = services(settings, opened, folder.record)
        # Its terminal was closed:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
        try:
            Supervisor(needed, Restarts(), status="the page is served").run()
        finally:
            (folder.path / SESSION_FILE).unlink(missing_ok=True)
            folder.clear()


def services(settings: WebSettings, opened: socket.socket, record: Callable[..., None]) -> list[Service]:
    """What there is to run, in order; nothing stands in for a server that runs from the state folder."""
    port: int = opened.getsockname()[1]
    running = StateFolder(settings.state).supervisor() is not None
    own = OwnServer(settings)
    state = settings.state.resolve() if running else own.folder.path
    chosen = GatewaySettings(
        states=(state,),
        keys=None,
        session=settings.folder / SESSION_FILE,
        port=port,
        listening=opened.fileno(),
        drain_s=DRAIN_S,
        notice_s=0.0,
        jobs=JobSettings(folder=settings.folder / FOLDER),
    )
    log = settings.folder / "gateway.log"
    log.unlink(missing_ok=True)
    gateway = Program(
        "the gateway",
        [sys.executable, "-m", "gateway", "--settings", to_document(chosen)],
        stop_with=signal.SIGTERM,
        log=log,
        record=lambda: record(os.getpid(), *([gateway.pid] if gateway.pid else [])),
        inherits=(opened.fileno(),),
        lacks=(DATABASE_VARIABLE,),  # its jobs are its own, whatever an edge of this machine shares
    )
    announcement = Announcement(settings, f"http://{LOOPBACK}:{port}", gateway)
    return [*([] if running else [own]), gateway, announcement]


def listen(wanted: int | None) -> socket.socket:
    """A socket that listens on loopback; raises :class:`ServeError` where the wanted port is taken.

    It is the gateway's from before the server is loaded until the end, so that nobody else gets the port, and
    whoever asks while a gateway is started anew waits for it.
    """
    for port in (wanted,) if wanted is not None else (DEFAULT_PORT, 0):
        opened = socket.socket()
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            opened.bind((LOOPBACK, port))
            opened.listen(BACKLOG)
        except (OSError, OverflowError):
            opened.close()
            continue
        return opened
    raise ServeError(f"port {wanted} cannot be had; free it, or choose another: make web WEB_PORT=…")


def _is_ready(url: str) -> bool:
    """Whether a video would be judged."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url + EDGE.health, timeout=1):
            return True
    except (urllib.error.URLError, OSError, ValueError):
        return False


def _place(settings: WebSettings) -> str:
    """Where a page that is served already is, as far as it is known."""
    try:
        return f" at {json.loads((settings.folder / READY_FILE).read_text())['url']}/"
    except (OSError, ValueError, LookupError):
        return ""


def parse(arguments: list[str]) -> WebSettings:
    """The settings that a command line asks for."""
    defaults = WebSettings()
    parser = argparse.ArgumentParser(
        prog="python -m serving.web", description="Serve the page on this machine."
    )
    parser.add_argument(
        "--state", type=Path, default=defaults.state, help="of a server to use where one runs; the page's own"
    )
    parser.add_argument("--model-store", type=Path, default=defaults.model_store)
    parser.add_argument("--device", default=defaults.device, help="cpu or cuda:N")
    parser.add_argument("--port", type=int, help="default: 8090, or any free port where it is in use")
    parser.add_argument("--no-browser", action="store_false", dest="show", help="only print the address")
    return WebSettings(**vars(parser.parse_args(arguments)))


def main() -> int:
    try:
        run(parse(sys.argv[1:]))
    except ServeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
