"""The process: where it listens, and how it stops without losing anybody."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Any, cast

import httpx
import uvicorn

from gateway.app import Gateway
from gateway.background import TaskSupervisor
from gateway.http_protocol import EnvelopeProtocol
from gateway.metrics_app import metrics_app
from gateway.request_log import note_refused
from gateway.settings import GatewaySettings

KEEP_ALIVE_S = 75
BACKLOG = 512
CANCEL_S = 5.0  # for what ran out of time to say so to its callers


class Listener(uvicorn.Server):
    """uvicorn but for signals, at which it would refuse new connections at once."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(settings: GatewaySettings) -> None:
    """Answer callers until told to stop; raises OSError where the gateway cannot listen."""
    # One request at a time on a connection: TorchServe mixes up the answers to pipelined ones.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
    async with httpx.AsyncClient(limits=limits, trust_env=False, http2=False) as client:
        gateway = Gateway.build(settings, client)
        with bound(settings) as opened:
            async with metrics_exposed(gateway, client):
                listener = Listener(configuration(gateway))
                await asyncio.gather(listener.serve([opened]), Shutdown(gateway, listener).run())
                if left := listener.server_state.tasks:
                    await asyncio.wait(left, timeout=CANCEL_S)


@asynccontextmanager
async def metrics_exposed(gateway: Gateway, client: httpx.AsyncClient) -> AsyncIterator[None]:
    """Answer Prometheus while the block lasts: by this port, pods see when the gateway is gone."""
    settings = gateway.settings
    if settings.metrics_port is None:
        yield
        return
    app = metrics_app(gateway.metrics.registry, gateway.pool.servers, client)
    tasks = TaskSupervisor(gateway.metrics)
    with bound_port(settings.metrics_host, settings.metrics_port) as opened:
        listener = Listener(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
        tasks.run("metrics", listener.serve([opened]), about=f"port {settings.metrics_port}")
        try:
            yield
        finally:
            listener.should_exit = True
            await tasks.finish(CANCEL_S)


def configuration(gateway: Gateway) -> uvicorn.Config:
    """uvicorn's settings for a gateway."""
    protocol = partial(
        EnvelopeProtocol,
        header_s=gateway.settings.header_s,
        refused=partial(note_refused, gateway.metrics),
    )
    return uvicorn.Config(
        gateway.app(),
        http=cast(Any, protocol),
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=math.ceil(gateway.settings.drain_s),
        backlog=BACKLOG,
    )


class Shutdown:
    """What SIGTERM and SIGINT lead to.

    The gateway is no longer ready from then on, so that a balancer sends no more requests; those that still
    come within ``notice_s`` are answered like any other. Then nobody is let in, and requests in flight have
    what is left of ``drain_s``. Another signal ends the notice, a third one everything.
    """

    def __init__(self, gateway: Gateway, listener: Listener) -> None:
        self._gateway = gateway
        self._listener = listener
        self._begun, self._immediate = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.on_signal, number)

    def on_signal(self, number: signal.Signals) -> None:
        """A signal has come."""
        if self._immediate.is_set():
            self._listener.force_exit = True
        if self._begun.is_set() or number is signal.SIGINT:  # at a keyboard, nobody balances
            self._immediate.set()
        self._gateway.drain()
        self._begun.set()

    async def run(self) -> None:
        """Wait for the signal, then end the listener in good time."""
        await self._begun.wait()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._immediate.wait(), self._gateway.settings.notice_s)
        left = self._gateway.stops_at - time.monotonic()
        self._listener.config.timeout_graceful_shutdown = max(0, math.ceil(left))
        self._listener.should_exit = True


def bound(settings: GatewaySettings) -> socket.socket:
    """Where callers connect; a Unix socket is its owner's alone."""
    if settings.listening is not None:
        return socket.socket(fileno=settings.listening)
    if settings.socket is None:
        return bound_port(settings.host, settings.port)
    if settings.socket.is_socket():  # of a gateway before this one
        settings.socket.unlink()
    opened = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o177)
    try:
        opened.bind(str(settings.socket))
    finally:
        os.umask(mask)
    return opened


def bound_port(host: str, port: int) -> socket.socket:
    """A TCP socket of this machine; raises OSError where the port is taken."""
    opened = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((host, port))
    except OSError:
        opened.close()
        raise
    return opened
