"""``python -m gateway``: answer callers until terminated."""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import sys
from pathlib import Path

import httpx
import uvicorn

from gateway.access import set_up_logging
from gateway.app import Gateway
from gateway.exposition import expose
from gateway.settings import LOOPBACK, GatewaySettings

KEEP_ALIVE_S = 75
BACKLOG = 512


def parse(arguments: list[str]) -> GatewaySettings:
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
        "--in-flight", type=int, default=defaults.in_flight, help="requests under way at one server"
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
    parser.add_argument("--drain-seconds", type=float, default=defaults.drain_s)
    options = parser.parse_args(arguments)
    if options.no_keys and not options.socket and options.host != LOOPBACK:
        parser.error("--no-keys is for a socket or this machine alone")
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
        drain_s=options.drain_seconds,
    )


def listener(settings: GatewaySettings) -> socket.socket:
    """Where callers connect; a Unix socket is its owner's alone."""
    if settings.socket is None:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        opened = socket.socket(family)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((settings.host, settings.port))
        return opened
    if settings.socket.is_socket():  # of a gateway before this one
        settings.socket.unlink()
    opened = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o177)
    try:
        opened.bind(str(settings.socket))
    finally:
        os.umask(mask)
    return opened


async def serve(settings: GatewaySettings) -> None:
    """Until terminated; requests under way are answered first."""
    # One request at a time on a connection: TorchServe mixes up the answers to pipelined ones.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
    async with httpx.AsyncClient(limits=limits, trust_env=False, http2=False) as client:
        gateway = Gateway.build(settings, client)
        if settings.metrics_port is not None:
            servers = gateway.pool.servers
            expose(settings.metrics_host, settings.metrics_port, gateway.measures.registry, servers)
        config = uvicorn.Config(
            gateway.app(),
            loop="uvloop",
            http="httptools",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=int(settings.drain_s),
            backlog=BACKLOG,
        )
        with listener(settings) as opened:
            await uvicorn.Server(config).serve([opened])


def main() -> int:
    settings = parse(sys.argv[1:])
    set_up_logging()
    try:
        import uvloop

        uvloop.run(serve(settings))
    except OSError as error:
        sys.stderr.write(f"the gateway cannot listen: {error.strerror}\n")
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
