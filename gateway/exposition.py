"""Where Prometheus reads: the gateway's own metrics, and its servers', which listen on loopback alone.

``/metrics`` is the gateway's, ``/servers/N/metrics`` the Nth server's as TorchServe tells them.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Sequence
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import httpx
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, make_wsgi_app

from gateway.servers import Server

SERVER_S = 10.0
_SERVER_PATH = re.compile(r"/servers/(\d+)/metrics")

Start = Callable[[str, list[tuple[str, str]]], Any]


class _Listener(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        """A scrape every few seconds is no news."""


def expose(host: str, port: int, registry: CollectorRegistry, servers: Sequence[Server]) -> None:
    """Answer Prometheus from a thread of its own; raises OSError where the port is taken."""
    own = make_wsgi_app(registry)

    def answer(environment: dict[str, Any], start: Start) -> Iterable[bytes]:
        path = environment.get("PATH_INFO", "")
        if path == "/metrics":
            told_here: Iterable[bytes] = own(environment, start)
            return told_here
        found = _SERVER_PATH.fullmatch(path)
        number = int(found[1]) if found else 0
        if not 1 <= number <= len(servers):
            start("404 Not Found", [("Content-Type", "text/plain")])
            return [b"there is nothing here; try /metrics or /servers/1/metrics\n"]
        told = metrics_of(servers[number - 1])
        if told is None:
            start("503 Service Unavailable", [("Content-Type", "text/plain")])
            return [b"the server is not ready\n"]
        start("200 OK", [("Content-Type", CONTENT_TYPE_LATEST)])
        return [told]

    listener = make_server(host, port, answer, _Listener, _Quiet)
    threading.Thread(target=listener.serve_forever, name="metrics", daemon=True).start()


def metrics_of(server: Server) -> bytes | None:
    """What a server tells of itself, None where it does not answer."""
    address = server.address()
    if address is None:
        return None
    try:
        return httpx.get(address.metrics_url, timeout=SERVER_S, trust_env=False).content
    except httpx.HTTPError:
        return None
