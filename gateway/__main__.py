"""``python -m gateway``: answer callers until terminated."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pydantic import TypeAdapter

from gateway.listeners import serve
from gateway.request_log import set_up_logging
from gateway.settings import LOOPBACK, GatewaySettings


def parse(arguments: list[str]) -> GatewaySettings:
    if arguments[:1] == ["--settings"]:  # all of them, from the process that starts it (serving/edge)
        return TypeAdapter(GatewaySettings).validate_json(arguments[1])
    defaults = GatewaySettings((Path(),), None)
    parser = argparse.ArgumentParser(prog="python -m gateway", description=__doc__)
    parser.add_argument(
        "--state", type=Path, action="append", required=True, help="state folder of a server; again for each"
    )
    keys = parser.add_mutually_exclusive_group(required=True)
    keys.add_argument("--keys", type=Path, help="file of the API keys (python -m gateway.keys)")
    keys.add_argument("--no-keys", action="store_true", help="let everybody ask who can reach the gateway")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--socket", type=Path, help="listen on a Unix socket, for its owner alone")
    where.add_argument("--port", type=int, default=defaults.port)
    parser.add_argument("--host", default=defaults.host, help="with --port; default: this machine alone")
    parser.add_argument("--metrics-port", type=int, help="port for Prometheus (default: none)")
    parser.add_argument("--metrics-host", default=defaults.metrics_host)
    parser.add_argument(
        "--in-flight", type=int, default=defaults.in_flight, help="requests in flight at one server"
    )
    parser.add_argument(
        "--queue-seconds", type=float, default=defaults.queue_s, help="wait for a busy server"
    )
    parser.add_argument(
        "--patience-seconds", type=float, default=defaults.patience_s, help="wait for a server that is away"
    )
    parser.add_argument(
        "--answer-seconds", type=float, default=defaults.answer_s, help="longest time of a request"
    )
    parser.add_argument("--health-seconds", type=float, default=defaults.health_s, help="between two probes")
    parser.add_argument(
        "--header-seconds", type=float, default=defaults.header_s, help="longest time of a request's headers"
    )
    parser.add_argument(
        "--drain-seconds", type=float, default=defaults.drain_s, help="longest time from SIGTERM to the end"
    )
    parser.add_argument(
        "--notice-seconds",
        type=float,
        help="after SIGTERM, not ready but still answering, for balancers to see it "
        f"(default: {defaults.notice_s:g}; 0 on a socket, whose nginx ends first)",
    )
    options = parser.parse_args(arguments)
    if options.no_keys and not options.socket and options.host != LOOPBACK:
        parser.error("--no-keys is for a socket or this machine alone")
    if options.socket and options.notice_seconds is None:
        options.notice_seconds = 0.0
    return GatewaySettings(
        states=tuple(state.resolve() for state in options.state),
        keys=options.keys,
        socket=options.socket,
        host=options.host,
        port=options.port,
        metrics_host=options.metrics_host,
        metrics_port=options.metrics_port,
        in_flight=options.in_flight,
        queue_s=options.queue_seconds,
        patience_s=options.patience_seconds,
        answer_s=options.answer_seconds,
        health_s=options.health_seconds,
        header_s=options.header_seconds,
        drain_s=options.drain_seconds,
        notice_s=defaults.notice_s if options.notice_seconds is None else options.notice_seconds,
    )


def main() -> int:
    settings = parse(sys.argv[1:])
    set_up_logging()
    try:
        import uvloop

        uvloop.run(serve(settings))
    except OSError as error:
        sys.stderr.write(f"the gateway cannot listen: {error.strerror}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
