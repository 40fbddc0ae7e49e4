"""What object storage is asked for, as each request is paid for."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from outofsync_cluster.places import Storage

CONTENT = bytes(range(256)) * 4000  # a megabyte


class Bucket(BaseHTTPRequestHandler):
    """Holds one object under every name, and counts what it is asked."""

    asked: list[str]
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.asked.append("HEAD")
        self._answer(200, CONTENT)

    def do_GET(self) -> None:
        self.asked.append("GET")
        first, last = re.findall(r"\d+", self.headers["Range"])
        part = CONTENT[int(first) : int(last) + 1]
        self._answer(206, part, {"Content-Range": f"bytes {first}-{last}/{len(CONTENT)}"})
        self.wfile.write(part)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: bytes, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "ETag": '"1"', **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str]]]:
    """A storage server's address, and what it was asked."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    monkeypatch.setattr(Bucket, "asked", [], raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Bucket) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", Bucket.asked
        server.shutdown()
        thread.join()


def test_a_video_is_two_requests(bucket: tuple[str, list[str]]) -> None:
    endpoint, asked = bucket
    place = Storage.of(["s3://videos/one.mp4?region=us-east-1"], endpoint).place("s3://videos/one.mp4")
    assert place.read() == CONTENT
    assert asked == ["HEAD", "GET"]
