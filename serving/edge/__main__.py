"""``python -m serving.edge start|run|check|status|stop``: TLS, limits and static pages before the servers."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import psutil

from gateway.jobs.options import add_job_options, job_settings
from serving.edge.render import render
from serving.edge.services import READY_FILE, START_S, check, run
from serving.edge.settings import EdgeSettings
from serving.edge.user import worker_user
from serving.processes import SupervisedFolder, in_background
from serving.programs import STOP_S
from serving.settings import DEFAULT_STATE, ServeError, from_document, to_document


def parse(arguments: list[str]) -> tuple[str, EdgeSettings]:
    defaults = EdgeSettings()
    parser = argparse.ArgumentParser(prog="python -m serving.edge", description=__doc__)
    add = parser.add_argument
    add("action", choices=("start", "run", "check", "status", "stop"))
    add("--state", type=Path, action="append", help="state folder of a server; again for each")
    add("--gateway", action="append", default=[], help="address of a gateway that runs already")
    add("--host", default=defaults.host, help="where to listen (0.0.0.0: everywhere)")
    add("--port", type=int, default=defaults.port)
    add("--plain-port", type=int, help="send callers of plain HTTP from here to the TLS port")
    add("--certificate", type=Path, help="with its chain, PEM (default: one for development)")
    add("--key", type=Path, help="of the certificate")
    add("--keys", type=Path, help="file of the API keys (default: keys.json in the edge's folder)")
    add("--metrics-port", type=int, help="where the gateway tells Prometheus (default: nowhere)")
    add("--rate", type=float, default=defaults.rate, help="requests a second for each key")
    add("--burst", type=int, default=defaults.burst, help="requests beyond the rate still taken")
    add("--connections", type=int, default=defaults.connections, help="at a time for each key")
    add("--body-seconds", type=int, default=defaults.body_s, help="longest pause in an upload")
    add("--user", default=defaults.user, help="whom nginx's workers are where root starts the edge")
    add_job_options(parser)
    add("--settings", help="all of them as one JSON document, instead of the options above")
    options = parser.parse_args(arguments)
    if options.settings:
        return options.action, from_document(EdgeSettings, options.settings)
    settings = EdgeSettings(
        states=tuple(options.state or (DEFAULT_STATE,)),
        gateways=tuple(options.gateway),
        host=options.host,
        port=options.port,
        plain_port=options.plain_port,
        certificate=options.certificate,
        key=options.key,
        keys=options.keys,
        metrics_port=options.metrics_port,
        rate=options.rate,
        burst=options.burst,
        connections=options.connections,
        body_s=options.body_seconds,
        user=options.user,
        jobs=replace(job_settings(vars(options)), database=None),  # which command lines do not show
    )
    return options.action, settings


def running(settings: EdgeSettings) -> psutil.Process | None:
    """The process of an edge that answers, None where there is none."""
    answers = (settings.folder / READY_FILE).exists()
    return SupervisedFolder(settings.folder).supervisor() if answers else None


def start(settings: EdgeSettings) -> None:
    """Start an edge in the background and wait until it answers; raises :class:`ServeError`."""
    folder = SupervisedFolder(settings.folder)
    if folder.supervisor():
        raise ServeError(f"an edge runs from {folder.path} already; stop it first: make edge-stop")
    folder.path.mkdir(parents=True, exist_ok=True)
    log_file = folder.path / "edge.log"
    words = ["serving.edge", "run", "--settings", to_document(settings)]
    if in_background(words, log_file, lambda: running(settings), limit_s=2 * START_S) is None:
        raise ServeError(f"{log_file.read_text(errors='replace').strip()}\nthe edge did not start")


def stop(settings: EdgeSettings) -> bool:
    """Stop an edge once it has answered what is under way; False where none runs."""
    return SupervisedFolder(settings.folder).stop(limit_s=2 * STOP_S)


def perform(action: str, settings: EdgeSettings) -> int:
    """Carry out one command; raises :class:`ServeError`."""
    say = sys.stdout.write
    if action == "run":
        run(settings)
    if action == "check":
        gateways = list(settings.gateways) or ["unix:/nowhere/gateway.sock"]
        with tempfile.TemporaryDirectory(prefix="outofsync-edge-") as folder:
            check(render(settings, gateways, Path(folder), worker_user(settings)))
        say("nginx accepts the configuration\n")
    elif action == "start":
        start(settings)
        say(f"serving at {settings.url}; make edge-stop ends it\n")
        if not settings.key_file.exists():
            keys = os.path.relpath(settings.key_file)
            say(f"nobody has a key yet; make one: python -m gateway.keys add NAME --keys {keys}\n")
        if settings.certificate is None:
            say(f"its certificate is for development: curl --cacert {settings.folder / 'development.crt'}\n")
    elif action == "stop":
        say("stopped\n" if stop(settings) else f"no edge runs from {settings.folder}\n")
    else:
        ready = running(settings) is not None
        say(f"serving at {settings.url}\n" if ready else "no edge is running\n")
        return 0 if ready else 1
    return 0


def main() -> int:
    try:
        return perform(*parse(sys.argv[1:]))
    except ServeError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
