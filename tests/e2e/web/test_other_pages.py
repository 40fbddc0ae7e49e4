"""Other pages of the same browser cannot use the server of this machine."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest
from e2e.web.conftest import Served
from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.server

TRY = """async ({url, mode, method, headers}) => {
  try {
    const answer = await fetch(url, {mode, method, headers, body: method === "POST" ? "x" : undefined});
    return answer.type === "opaque" ? "opaque" : await answer.text();
  } catch (error) {
    return "refused";
  }
}"""


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """An empty page of another program on this machine."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>elsewhere</title>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def elsewhere(browser: Browser) -> Iterator[Page]:
    """A page of another origin, in the reader's browser."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with browser.new_context() as context:
            page = context.new_page()
            page.goto(f"http://localhost:{server.server_port}/")
            yield page
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("POST", "/v1/detect"), ("GET", "/v1/models"), ("GET", "/samples/shifted.mp4")],
)
def test_requests_of_another_page_are_refused(
    elsewhere: Page, served: Served, method: str, path: str
) -> None:
    statuses: list[int] = []
    elsewhere.on("response", lambda answer: statuses.append(answer.status))
    asked = {"url": served.url + path, "method": method, "headers": {}}
    assert elsewhere.evaluate(TRY, {**asked, "mode": "cors"}) == "refused"
    statuses.clear()
    answer = elsewhere.evaluate(TRY, {**asked, "mode": "no-cors"})  # sent, but for the answer
    assert answer in ("opaque", "refused")
    assert set(statuses) <= {403}
    assert statuses or answer == "refused"


def test_a_preflight_gets_no_leave(elsewhere: Page, served: Served) -> None:
    asked = {
        "url": f"{served.url}/v1/detect",
        "mode": "cors",
        "method": "POST",
        "headers": {"Authorization": "Bearer guessed"},
    }
    assert elsewhere.evaluate(TRY, asked) == "refused"


def test_the_page_cannot_be_framed(elsewhere: Page, served: Served) -> None:
    elsewhere.evaluate(
        """(url) => new Promise((resolve) => {
          const frame = document.createElement("iframe");
          frame.src = url;
          frame.onload = resolve;
          document.body.append(frame);
        })""",
        f"{served.url}/",
    )
    (frame,) = elsewhere.frames[1:]
    assert frame.locator("#page").count() == 0
