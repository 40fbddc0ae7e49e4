"""The page's files, and the session by which it alone may use a gateway on loopback."""

from __future__ import annotations

import gzip
import html
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from unit.gateway.conftest import LOOPBACK, FakeServer, LiveGateway, MakeGateway, gateway_process

from gateway.page_files import HEADERS, POLICY, SAMPLES, PageFiles, configured
from gateway.settings import GatewaySettings
from outofsync.limits import Limits

INDEX = '<meta name="outofsync-config" content="" />'
PORT = 8000  # what the gateway believes to listen on; tests reach it at another, and say this one
HOST = f"127.0.0.1:{PORT}"


def config(page: str) -> dict[str, Any]:
    """What a page was told."""
    found = re.search(r'<meta\s+name="outofsync-config"\s+content="([^"]*)"', page)
    assert found is not None
    told: dict[str, Any] = json.loads(html.unescape(found[1]))
    return told


@pytest.fixture
def private(make_gateway: MakeGateway, tmp_path: Path) -> LiveGateway:
    """A gateway with a session of its own instead of keys."""
    return make_gateway(keys=None, session=tmp_path / "session")


def ask(live: LiveGateway, path: str = "/v1/models", method: str = "GET", **headers: str) -> httpx.Response:
    """What the gateway answers to this host's page, or as the headers say."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.request(method, live.url + path, headers={"Host": HOST, **named}, **LOOPBACK)


def bearer(live: LiveGateway) -> str:
    return f"Bearer {config(ask(live, '/').text)['session']}"


def test_the_page_is_there_for_whoever_has_no_key_yet(live: LiveGateway) -> None:
    answer = live.ask("GET", "/", key="")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    told = config(answer.text)
    assert (told["session"], told["key_required"], told["jobs"]) == (None, True, True)
    assert (told["max_bytes"], told["max_seconds"]) == (Limits().request_bytes, Limits().duration_s)


def test_the_page_allows_nothing_inline_and_no_other_host() -> None:
    assert "unsafe" not in POLICY
    assert "http" not in POLICY
    assert POLICY.startswith("default-src 'none'")


def test_samples_are_there_to_be_tried(live: LiveGateway) -> None:
    told = config(live.ask("GET", "/", key="").text)["samples"]
    assert {sample["file"] for sample in told} == {path.name for path in SAMPLES.glob("*.mp4")} != set()
    for sample in told:
        assert sample["title"][0].isupper()
        answer = live.ask("GET", f"/samples/{sample['file']}", key="")
        assert answer.headers["Content-Type"] == "video/mp4"
        assert answer.content == (SAMPLES / sample["file"]).read_bytes()


@pytest.mark.parametrize("path", ["/assets/none.js", "/samples/README.md", "/samples/..%2fMakefile", "/page"])
def test_nothing_else_is_there(live: LiveGateway, path: str) -> None:
    answer = live.ask("GET", path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_what_a_caller_has_already_is_not_sent_again(live: LiveGateway) -> None:
    first = live.ask("GET", "/")
    again = live.ask("GET", "/", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert live.ask("GET", "/", headers={"If-None-Match": 'W/"another"'}).status_code == 200


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A page as it is built."""
    (tmp_path / "page" / "assets").mkdir(parents=True)
    (tmp_path / "page" / "index.html").write_text(INDEX)
    (tmp_path / "page" / "assets" / "main-1a2b.js").write_text("export const a = 1;\n" * 100)
    (tmp_path / "page" / "assets" / "letters-3c4d.woff2").write_bytes(b"wOF2")
    return tmp_path / "page"


@pytest.fixture
def served(built: Path, make_gateway: MakeGateway, tmp_path: Path) -> LiveGateway:
    """A gateway with that page."""
    live = make_gateway()
    live.gateway.page = PageFiles(
        session=None, key_required=True, jobs=True, request_bytes=1, page=built, samples=tmp_path
    )
    return live


@pytest.mark.parametrize(
    ("takes", "coding"), [("gzip, br", "gzip"), ("gzip;q=0.5", "gzip"), ("gzip;q=0", None), ("br", None)]
)
def test_text_is_compressed_for_whoever_takes_it(served: LiveGateway, takes: str, coding: str | None) -> None:
    path = "/assets/main-1a2b.js"
    with httpx.stream("GET", served.url + path, headers={"Accept-Encoding": takes}, **LOOPBACK) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers.get("Content-Encoding") == coding
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert (gzip.decompress(raw) if coding else raw).startswith(b"export const a")
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert "immutable" in answer.headers["Cache-Control"]


def test_what_is_compressed_already_is_left_alone(served: LiveGateway) -> None:
    answer = served.ask("GET", "/assets/letters-3c4d.woff2")
    assert (answer.content, answer.headers["Content-Type"]) == (b"wOF2", "font/woff2")
    assert "Content-Encoding" not in answer.headers


def test_what_the_page_is_told_cannot_end_the_element() -> None:
    title = '"><script>alert(1)</script>'
    page = configured(INDEX.encode(), {"title": title}).decode()
    assert "<script" not in page
    assert config(page) == {"title": title}


@pytest.mark.parametrize("page", ["", INDEX * 2, '<meta name="outofsync-config">'])
def test_a_page_without_a_place_for_its_facts_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="outofsync-config"):
        configured(page.encode(), {})


def test_the_page_alone_has_the_token(private: LiveGateway) -> None:
    told = config(ask(private, "/").text)
    assert (told["key_required"], told["jobs"]) == (False, True)
    assert ask(private, Authorization=f"Bearer {told['session']}").status_code == 200
    assert ask(private, X_Api_Key=told["session"]).status_code == 200
    assert ask(private, Host=f"localhost:{PORT}", Authorization=bearer(private)).status_code == 200
    detected = ask(private, "/v1/detect", "POST", Authorization=bearer(private), Content_Length="0")
    assert detected.status_code != 401
    assert (private.gateway.settings.session or Path()).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer x", "Basic x", "Bearer ü"])
def test_without_the_token_nothing_is_judged(private: LiveGateway, authorization: str) -> None:
    for method, path in (("GET", "/v1/models"), ("POST", "/v1/detect"), ("POST", "/v1/deblur")):
        answer = httpx.request(
            method,
            private.url + path,
            headers={b"Host": HOST.encode(), b"Authorization": authorization.encode()},
            **LOOPBACK,
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "authentication"), path
    assert private.servers[0].asked == []


def test_health_and_the_document_need_no_token(private: LiveGateway) -> None:
    assert ask(private, "/v1/health").status_code == 200
    assert ask(private, "/v1/openapi.json").status_code == 200


FOREIGN = [
    {"Host": f"evil.example:{PORT}"},
    {"Host": "127.0.0.1:8001"},
    {"Host": "127.0.0.1"},
    {"Host": f"127.0.0.1.evil.example:{PORT}"},
    {"Origin": "https://evil.example"},
    {"Origin": "http://127.0.0.1:8001"},
    {"Origin": f"http://localhost:{PORT}"},  # another name is another origin, too
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize("path", ["/", "/samples/synchronised.mp4", "/v1/models", "/v1/health"])
def test_other_pages_are_refused(private: LiveGateway, headers: dict[str, str], path: str) -> None:
    answer = ask(private, path, Authorization=bearer(private), **headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "authentication")
    assert answer.json()["error"]["hint"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
    ],
    ids=str,
)
def test_the_page_itself_is_not(private: LiveGateway, headers: dict[str, str], status: int) -> None:
    assert ask(private, Authorization=bearer(private), **headers).status_code == status


@pytest.mark.parametrize(
    ("path", "destination", "status"),
    [("/", "document", 200), ("/", "iframe", 403), ("/v1/models", "document", 403)],
)
def test_a_link_from_elsewhere_opens_the_page_and_nothing_else(
    private: LiveGateway, path: str, destination: str, status: int
) -> None:
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": destination}
    answer = ask(private, path, Authorization=bearer(private), **followed)
    assert answer.status_code == status


@pytest.mark.slow
def test_a_gateway_that_comes_back_keeps_the_session(server: FakeServer, tmp_path: Path) -> None:
    tokens = []
    for _ in range(2):
        with gateway_process(server, access=("--session", str(tmp_path / "session"))) as (url, _):
            tokens.append(config(httpx.get(url, **LOOPBACK).text)["session"])
    assert tokens[0] == tokens[1]


def test_without_keys_and_session_nothing_is_asked_for(server: FakeServer) -> None:
    with gateway_process(server) as (url, _):
        told = config(httpx.get(url, **LOOPBACK).text)
        assert (told["session"], told["key_required"]) == (None, False)
        assert told["jobs"] is False  # everybody would see everybody's
        assert httpx.get(f"{url}/v1/models", **LOOPBACK).status_code == 200


@pytest.mark.parametrize(
    "choices", [{"keys": Path("/k")}, {"keys": None, "socket": Path("/s")}, {"keys": None, "host": "0.0.0.0"}]
)
def test_a_session_is_for_this_machine_alone(choices: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="this machine alone"):
        GatewaySettings(**{"states": (Path("/a"),), "session": Path("/t"), **choices})
