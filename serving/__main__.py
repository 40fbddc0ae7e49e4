"""Start, watch and stop a server: ``python -m serving start|run|status|env|rotate|stop``.

``start`` returns once the server is ready; ``run`` stays in the foreground, for service managers.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from serving.lifecycle import rotate, run, start, stop
from serving.settings import DEFAULT_STATE, DEFAULT_STORE, ServeError, ServerSettings, from_document
from serving.state import ServerState, StateFolder


def exports(server: ServerState) -> str:
    """Shell commands that tell a client, and whoever manages models, where the server is."""
    variables = {
        "OUTOFSYNC_URL": server.url,
        "OUTOFSYNC_TOKEN": server.token,
        "OUTOFSYNC_MANAGEMENT_URL": server.management_url,
        "OUTOFSYNC_MANAGEMENT_TOKEN": server.management_token,
    }
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


def parse_settings(arguments: list[str]) -> tuple[str, ServerSettings]:
    defaults = ServerSettings()
    parser = argparse.ArgumentParser(prog="python -m serving", description="Run OutOfSync's server.")
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
    parser.add_argument(
        "--leftover-seconds",
        type=float,
        default=defaults.leftover_s,
        help="how long what a killed worker left of a video lies where nothing goes on",
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
        leftover_s=options.leftover_seconds,
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
