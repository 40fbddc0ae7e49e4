"""``python -m gateway``: answer callers until terminated."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import uvloop
from pydantic import TypeAdapter

from gateway.jobs.options import add_job_options, job_settings, with_database
from gateway.listeners import serve
from gateway.request_log import set_up_logging
from gateway.settings import GatewaySettings
from outofsync_client.protocol import LOOPBACK

DEFAULTS = GatewaySettings((Path(),), None)
SECONDS = {
    "queue": "wait for a busy server",
    "patience": "wait for a server that is away",
    "answer": "longest time of a request",
    "health": "between two probes",
    "header": "longest time of a request's headers",
    "drain": "longest time from SIGTERM to the end",
}


def parse(arguments: list[str]) -> GatewaySettings:
    """The settings that a command line asks for; exits where it makes no sense."""
    if arguments[:1] == ["--settings"]:  # all of them, from the process that starts it (serving/edge)
        settings = TypeAdapter(GatewaySettings).validate_json(arguments[1])
        return replace(settings, jobs=with_database(settings.jobs))
    parser = argparse.ArgumentParser(prog="python -m gateway", description=__doc__)
    _add_places(parser)
    _add_limits(parser)
    add_job_options(parser)
    options = vars(parser.parse_args(arguments))
    if options.pop("no_keys") and not options["socket"] and options["host"] != LOOPBACK:
        parser.error("--no-keys is for a socket or this machine alone")
    if options["session"] and (options["socket"] or options["host"] != LOOPBACK):
        parser.error("--session is for this machine alone")
    if options["notice_s"] is None:
        options["notice_s"] = 0.0 if options["socket"] else DEFAULTS.notice_s
    options["jobs"] = job_settings(options)
    options["states"] = tuple(state.resolve() for state in options["states"])
    return GatewaySettings(**options)


def _add_places(parser: argparse.ArgumentParser) -> None:
    """Where servers, keys and callers are."""
    parser.add_argument(
        "--state",
        type=Path,
        action="append",
        required=True,
        dest="states",
        metavar="STATE",
        help="state folder of a server; again for each",
    )
    keys = parser.add_mutually_exclusive_group(required=True)
    keys.add_argument("--keys", type=Path, help="file of the API keys (python -m gateway.keys)")
    keys.add_argument("--no-keys", action="store_true", help="let everybody ask who can reach the gateway")
    keys.add_argument(
        "--session",
        type=Path,
        help="file of the token that the page shows for itself, made where it is missing",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--socket", type=Path, help="listen on a Unix socket, for its owner alone")
    where.add_argument("--port", type=int, default=DEFAULTS.port)
    parser.add_argument("--host", default=DEFAULTS.host, help="with --port; default: this machine alone")
    parser.add_argument("--metrics-port", type=int, help="port for Prometheus (default: none)")
    parser.add_argument("--metrics-host", default=DEFAULTS.metrics_host)


def _add_limits(parser: argparse.ArgumentParser) -> None:
    """How much, and how long."""
    parser.add_argument(
        "--in-flight", type=int, default=DEFAULTS.in_flight, help="requests in flight at one server"
    )
    parser.add_argument(
        "--shared", type=int, default=DEFAULTS.shared, help="of those, while several keys ask: shared evenly"
    )
    for name, text in SECONDS.items():
        field = f"{name}_s"
        default = getattr(DEFAULTS, field)
        parser.add_argument(f"--{name}-seconds", type=float, dest=field, default=default, help=text)
    parser.add_argument(
        "--notice-seconds",
        type=float,
        dest="notice_s",
        help="after SIGTERM, not ready but still answering, for balancers to see it "
        f"(default: {DEFAULTS.notice_s:g}; 0 on a socket, whose nginx ends first)",
    )


def main() -> int:
    """Until terminated; returns the exit status."""
    settings = parse(sys.argv[1:])
    set_up_logging()
    try:
        uvloop.run(serve(settings))
    except OSError as error:
        sys.stderr.write(f"the gateway cannot listen: {error.strerror}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
