"""What is exposed is only what should be, and it says what it does."""

from __future__ import annotations

import json
import re
import socket
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psutil
import pytest
import requests
from edge_fixture import LiveEdge, MakeEdge
from media_factory import Media

from gateway import keys
from serving.settings import ROOT

pytestmark = pytest.mark.server

VIDEO = Media(frames=20).to_bytes()
SAMPLE = ROOT / "samples" / "synchronised.mp4"
SECURITY = {
    "Strict-Transport-Security": "max-age=63072000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def error_code(response: requests.Response) -> str:
    """The code of an envelope, which names the request as the headers do."""
    error = response.json()["error"]
    assert response.headers["Content-Type"] == "application/json"
    assert error["request_id"] == response.headers["X-OutOfSync-Request-Id"]
    assert error["message"]
    assert error["hint"]
    code: str = error["code"]
    return code


def connect(edge: LiveEdge) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=edge.authority)
    plain = socket.create_connection(("localhost", edge.settings.port), timeout=60)
    return context.wrap_socket(plain, server_hostname="localhost")


def say(edge: LiveEdge, request: bytes) -> bytes:
    """What comes back for these very bytes."""
    with connect(edge) as channel:
        channel.sendall(request)
        answer = b""
        while chunk := channel.recv(1 << 16):
            answer += chunk
        return answer


def upload_head(edge: LiveEdge, length: int) -> bytes:
    """The first lines of an upload."""
    head = b"POST /v1/detect HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    return head + b"X-Api-Key: %b\r\nContent-Length: %d\r\n\r\n" % (edge.key.encode(), length)


def test_a_video_is_judged_with_a_key(edge: LiveEdge) -> None:
    assert edge.detect(VIDEO).json()["verdict"]
    bearer = {"Authorization": f"Bearer {edge.key}"}
    assert edge.detect(VIDEO, key="", headers=bearer).status_code == 200
    assert edge.ask("POST", "/v1/detect", data=VIDEO).status_code == 200, "a bare body is a file, too"


@pytest.mark.parametrize("path", ["/v1/detect", "/v1/deblur", "/detect"])
def test_without_a_valid_key_nobody_is_judged(edge: LiveEdge, path: str) -> None:
    for key in ("", "wrong", edge.servers[0].state.token):
        response = edge.ask("POST", path, key=key, data=VIDEO)
        assert (response.status_code, error_code(response)) == (401, "authentication")


def test_a_revoked_key_ends_at_once(edge: LiveEdge) -> None:
    key = keys.add(edge.settings.key_file, "passing")
    assert edge.ask("GET", "/v1/models", key=key).status_code == 200
    keys.revoke(edge.settings.key_file, "passing")
    assert edge.ask("GET", "/v1/models", key=key).status_code == 401


@pytest.mark.parametrize(
    ("data", "options", "status", "code"),
    [
        (b"no video at all", "{}", 415, "unsupported_media"),
        (b"", "{}", 422, "empty_file"),
        (VIDEO[: len(VIDEO) // 2], "{}", 422, "corrupt_media"),
        (VIDEO, '{"deblur": "perhaps"}', 400, "bad_options"),
        (Media(audio=None).to_bytes(), "{}", 422, "no_audio"),
    ],
)
def test_errors_have_their_own_status(
    edge: LiveEdge, data: bytes, options: str, status: int, code: str
) -> None:
    form = {"data": ("video", data), "options": (None, options)}
    response = edge.ask("POST", "/v1/detect", files=form)
    assert (response.status_code, error_code(response)) == (status, code)


def test_a_deblurred_video_comes_back(edge: LiveEdge) -> None:
    response = edge.ask("POST", "/v1/deblur", files={"data": ("video", VIDEO)})
    assert response.headers["Content-Type"] == "video/mp4"
    assert response.content[4:8] == b"ftyp"


def test_older_systems_go_on_working(edge: LiveEdge) -> None:
    answer = edge.ask("POST", "/detect", files={"file": ("video.mp4", SAMPLE.read_bytes())}).json()
    assert isinstance(answer["score"], float)
    assert answer["label"] in ("REAL", "FAKE", None)


def test_health_and_models(edge: LiveEdge) -> None:
    assert edge.ask("GET", "/v1/health", key="").json()["status"] == "ready"
    (listed,) = edge.ask("GET", "/v1/models").json()["servers"]
    assert listed["promoted"]


@pytest.mark.parametrize(
    "path",
    ["/models", "/workflows", "/metrics", "/ping", "/wfpredict/deepfake", "/predictions/deblur", "/token"],
)
def test_torchserves_own_addresses_are_not_there(edge: LiveEdge, path: str) -> None:
    for method in ("GET", "POST"):
        response = edge.ask(method, path)
        assert response.status_code in (404, 405)
        assert error_code(response) in ("not_found", "method_not_allowed")


def test_everything_but_the_edge_listens_on_loopback(edge: LiveEdge) -> None:
    family = [edge.servers[0].java(), *edge.servers[0].folder.processes()]
    addresses = {
        c.laddr.ip for process in family for c in process.net_connections("tcp") if c.status == "LISTEN"
    }
    assert {address.removeprefix("::ffff:") for address in addresses} == {"127.0.0.1"}
    here = json.loads((edge.settings.folder / "edge.json").read_text())["pid"]
    for process in psutil.Process(here).children(recursive=True):
        for listening in (c for c in process.net_connections("tcp") if c.status == "LISTEN"):
            assert listening.laddr.ip == "127.0.0.1"


@pytest.mark.parametrize("path", ["/", "/reference/", "/v1/health", "/v1/detect", "/nowhere"])
def test_every_answer_has_security_headers(edge: LiveEdge, path: str) -> None:
    headers = edge.ask("GET", path).headers
    assert {name: headers.get(name) for name in SECURITY} == SECURITY
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Server"] == "nginx", "no version"
    assert not [name for name in headers if name.lower().startswith("access-control-")]


def test_other_origins_get_no_leave(edge: LiveEdge) -> None:
    asked = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    for method in ("OPTIONS", "POST"):
        headers = edge.ask(method, "/v1/detect", headers=asked).headers
        assert not [name for name in headers if name.lower().startswith("access-control-")]


def test_plain_http_is_sent_to_tls(edge: LiveEdge) -> None:
    response = requests.get(
        f"http://localhost:{edge.settings.plain_port}/v1/health", timeout=30, allow_redirects=False
    )
    assert (response.status_code, response.headers["Location"]) == (308, f"{edge.url}/v1/health")
    spoken = requests.get(f"http://localhost:{edge.settings.port}/v1/health", timeout=30)
    assert (spoken.status_code, error_code(spoken)) == (400, "bad_options")


@pytest.mark.parametrize(("version", "welcome"), [("1_1", False), ("1_2", True), ("1_3", True)])
def test_only_tls_of_today_is_spoken(edge: LiveEdge, version: str, welcome: bool) -> None:
    flags = [f"-tls{version}"]
    command = ["openssl", "s_client", "-connect", f"localhost:{edge.settings.port}", *flags]
    done = subprocess.run([*command, "-CAfile", edge.authority], input=b"", capture_output=True, check=False)
    assert (done.returncode == 0 and b"Verify return code: 0" in done.stdout) == welcome


def test_http2_is_spoken(edge: LiveEdge) -> None:
    context = ssl.create_default_context(cafile=edge.authority)
    context.set_alpn_protocols(["h2", "http/1.1"])
    plain = socket.create_connection(("localhost", edge.settings.port), timeout=30)
    with context.wrap_socket(plain, server_hostname="localhost") as channel:
        assert channel.selected_alpn_protocol() == "h2"


def test_a_request_is_found_by_its_id_in_every_log(edge: LiveEdge) -> None:
    identity = "find-me-everywhere"
    response = edge.detect(VIDEO, headers={"X-OutOfSync-Request-Id": identity})
    assert response.headers["X-OutOfSync-Request-Id"] == identity
    time.sleep(0.5)
    for log in (edge.log("access.log"), edge.log("gateway.log")):
        assert identity in log
    made = edge.detect(VIDEO, headers={"X-OutOfSync-Request-Id": "not safe\ttext"})
    assert re.fullmatch(r"[0-9a-f]{32}", made.headers["X-OutOfSync-Request-Id"])


def test_logs_are_json_and_hold_no_key(edge: LiveEdge) -> None:
    edge.detect(VIDEO)
    edge.ask("GET", "/v1/models?api_key=" + edge.key)
    edge.ask("GET", "/nowhere?api_key=" + edge.key)
    edge.ask("GET", "/v1/models", key='"}\\"\n'.replace("\n", ""))
    time.sleep(0.5)
    for name in ("access.log", "gateway.log"):
        lines = edge.log(name).splitlines()
        assert lines
        assert all(isinstance(json.loads(line), dict) for line in lines)
    for name in ("access.log", "gateway.log", "error.log"):
        assert edge.key not in edge.log(name)
    assert edge.servers[0].state.token not in edge.log("gateway.log")


def test_heads_without_end_are_hung_up_on(edge: LiveEdge) -> None:
    """They cost a connection, and not half a minute of reading."""
    line, most = b"X-Flood: " + b"x" * 7000 + b"\r\n", 10_000
    sent = 0
    with connect(edge) as channel, suppress(OSError):
        channel.sendall(b"POST /v1/detect HTTP/1.1\r\nHost: localhost\r\n")
        while sent < most:
            channel.sendall(line)
            sent += 1
    assert sent < most, "all of it was read"


def test_too_large_a_head_is_answered_where_it_ends(edge: LiveEdge) -> None:
    head = b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\n" + b"X-Long: " + b"x" * 9000
    answer = say(edge, head)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b'"bad_options"' in answer


def test_too_large_a_body_is_refused(edge: LiveEdge) -> None:
    answer = say(edge, upload_head(edge, 999_999_999))
    assert answer.startswith(b"HTTP/1.1 413")
    assert b'"too_large"' in answer


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: +3\r\n\r\nabc",
    ],
)
def test_requests_of_two_lengths_are_refused(edge: LiveEdge, headers: bytes) -> None:
    answer = say(edge, b"POST /v1/detect HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + headers)
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 501")), answer[:200]
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "nonsense", [b"FOO\r\n\r\n", b"GET / HTTP/1.1\r\n: x\r\n\r\n", b"GET /\x00 HTTP/1.1\r\n\r\n"]
)
def test_nonsense_is_answered_in_json(edge: LiveEdge, nonsense: bytes) -> None:
    head, _, body = say(edge, nonsense).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert json.loads(body)["error"]["code"] == "bad_options"


def test_an_upload_passes_through_as_it_comes(edge: LiveEdge) -> None:
    """The gateway has heard of the request before its last byte is sent."""
    metrics = f"http://127.0.0.1:{edge.settings.metrics_port}/metrics"
    under_way = 'outofsync_http_in_progress{route="/v1/detect"} 1.0'
    with connect(edge) as channel:
        channel.sendall(upload_head(edge, len(VIDEO)) + VIDEO[:100])
        deadline = time.monotonic() + 30
        while under_way not in requests.get(metrics, timeout=30).text:
            assert time.monotonic() < deadline, "nginx holds the upload back"
            time.sleep(0.05)
        channel.sendall(VIDEO[100:])
        assert channel.recv(100).startswith(b"HTTP/1.1 200")


def test_a_key_over_its_rate_waits_and_the_others_do_not(make_edge: MakeEdge) -> None:
    edge = make_edge("--rate", "1", "--burst", "3")
    other = keys.add(edge.settings.key_file, "other")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: edge.ask("GET", "/v1/models"), range(16)))
    refused = [answer for answer in answers if answer.status_code != 200]
    assert {answer.status_code for answer in refused} == {429}
    assert len(refused) >= 8
    assert error_code(refused[0]) == "busy"
    assert int(refused[0].headers["Retry-After"]) > 0
    assert edge.ask("GET", "/v1/models", key=other).status_code == 200


def test_made_up_keys_and_other_spellings_of_a_key_win_nothing(make_edge: MakeEdge) -> None:
    edge = make_edge("--rate", "1", "--burst", "2")
    spellings = [{"X-Api-Key": "same"}, {"Authorization": "Bearer same"}, {"Authorization": "bearer  same"}]
    with ThreadPoolExecutor(8) as pool:
        same = list(
            pool.map(lambda i: edge.ask("GET", "/v1/models", key="", headers=spellings[i % 3]), range(18))
        )
        made_up = list(pool.map(lambda i: edge.ask("GET", "/v1/models", key=f"guess-{i}"), range(80)))
    assert sum(answer.status_code == 429 for answer in same) >= 9
    refused = [answer for answer in made_up if answer.status_code == 429]
    assert refused
    assert {name: refused[0].headers.get(name) for name in SECURITY} == SECURITY
    assert "default-src 'none'" in refused[0].headers["Content-Security-Policy"]


def test_a_slow_caller_is_cut_off_and_holds_up_nobody(make_edge: MakeEdge) -> None:
    edge = make_edge("--body-seconds", "2")
    ended = threading.Event()

    def dawdle() -> None:
        with connect(edge) as channel:
            channel.sendall(upload_head(edge, 100_000) + b"begin")
            while channel.recv(1 << 16):
                pass
        ended.set()

    threads = [threading.Thread(target=dawdle, daemon=True) for _ in range(20)]
    for thread in threads:
        thread.start()
    assert edge.detect(VIDEO).status_code == 200
    for thread in threads:
        thread.join(60)
    assert ended.is_set()
    assert not any(thread.is_alive() for thread in threads)
