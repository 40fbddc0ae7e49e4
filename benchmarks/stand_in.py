"""A TorchServe that judges nothing, for measuring what stands before it.

    python -m benchmarks.stand_in STATE [--seconds 0.02]

It answers each body with its SHA-256 as the result's id, after so many seconds, and notes that in
``judged.log`` of the state folder.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

LOG = "judged.log"
TOKEN = "stand-in"
EMPTY = {"error": {"code": "empty_file", "status": 422, "stage": "request", "message": "", "hint": ""}}


class StandIn(ThreadingHTTPServer):
    """Answers on loopback, at any free port, which it writes into the state folder."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, state: Path, seconds: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seconds = seconds
        self.log = os.open(state / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        url = f"http://127.0.0.1:{self.server_address[1]}"
        values = {"url": url, "token": TOKEN, "metrics_url": url, "management_url": url}
        partial = state / "server.partial"
        partial.write_text(json.dumps({**values, "management_token": TOKEN}))
        partial.replace(state / "server.json")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StandIn

    def do_GET(self) -> None:
        self._say(200, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not body:
            return self._say(422, EMPTY)
        time.sleep(self.server.seconds)
        digest = hashlib.sha256(body).hexdigest()
        os.write(self.server.log, f"{digest}\n".encode())
        score = int(digest[:4], 16) / 0xFFFF
        verdict, label = ("fake", "FAKE") if score > 0.5 else ("real", "REAL")
        values = {"id": digest, "verdict": verdict, "label": label, "probability_fake": score, "score": score}
        return self._say(200, values)

    def _say(self, status: int, values: dict[str, Any]) -> None:
        body = json.dumps(values).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("state", type=Path)
    parser.add_argument("--seconds", type=float, default=0.02)
    options = parser.parse_args()
    StandIn(options.state, options.seconds).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
