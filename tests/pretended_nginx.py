#!/usr/bin/env python
"""What an edge takes for nginx: it reads the configuration, and passes GET requests on to the gateway by TLS.

A file ``nginx.plan`` in its folder holds what it complains of (``-t``), or ``die``: it ends as soon as it
runs.
"""

from __future__ import annotations

import http.client
import re
import signal
import socket
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PLAN = "nginx.plan"


class Upstream(http.client.HTTPConnection):
    """A connection to a socket of the file system."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


class Handler(BaseHTTPRequestHandler):
    gateway = ""

    def do_GET(self) -> None:
        upstream = Upstream(self.gateway)
        try:
            upstream.request("GET", self.path)
            answer = upstream.getresponse()
            status, body = answer.status, answer.read()
        except OSError:
            status, body = 502, b""
        finally:
            upstream.close()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


def main() -> int:
    folder = Path(sys.argv[sys.argv.index("-p") + 1])
    text = Path(sys.argv[sys.argv.index("-c") + 1]).read_text()
    plan = (folder / PLAN).read_text() if (folder / PLAN).exists() else ""
    if "-t" in sys.argv:
        sys.stderr.write("" if plan == "die" else plan)
        return int(plan not in ("", "die"))
    if plan == "die":
        return 1
    found = {
        name: re.findall(rf"^\s*{name} ([^;\s]+)[^;]*;", text, re.MULTILINE)[0]
        for name in ("listen", "ssl_certificate", "ssl_certificate_key")
    }
    Handler.gateway = re.findall(r"server unix:([^;\s]+)", text)[0]
    host, _, port = found["listen"].rpartition(":")
    signal.signal(signal.SIGQUIT, lambda *_: sys.exit(0))
    with ThreadingHTTPServer((host, int(port)), Handler) as server:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(found["ssl_certificate"], found["ssl_certificate_key"])
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.serve_forever(0.01)
    return 0


if __name__ == "__main__":
    sys.exit(main())
