"""Reports on results that callers send back: the SDK's own; anything else is refused and harms nobody."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from unit.gateway.conftest import LiveGateway, MakeGateway, wait_until

from gateway import reports
from gateway.renderer import rendered
from gateway.report_request import RefusedError
from gateway.reports import Report
from outofsync_client import Result
from outofsync_client.reports import ReportFolder

NAME = "Interview 1.mp4"
OPTIONS = {"deblur": "never"}


def result(windows: int = 60, **changes: Any) -> dict[str, Any]:
    """What /v1/detect answers."""
    logits = [[float(10 * (delay == 17)) for delay in range(31)] for _ in range(windows)]
    values: dict[str, Any] = {
        "id": "ab" * 32,
        "verdict": "fake",
        "label": "FAKE",
        "probability_fake": 0.93,
        "score": 1.5,
        "delay_score": 1.0,
        "feature_score": 0.5,
        "lam": 1.0,
        "offset_frames": 2,
        "offset_confidence": 0.9,
        "reasons": [{"code": "mismatch", "message": "Lips and voice do not fit together."}],
        "segments": [
            {"start": 0.0, "end": 2.5, "track": 0, "score": 1.5, "probability_fake": 0.93, "peak_delay": 2}
        ],
        "tracks": [{"id": 0, "start": 0.0, "end": 2.5, "speaking": True, "box": [1.0, 2.0, 3.0, 4.0]}],
        "delays_start": 0.0,
        "delays": logits,
        "media": {"duration_s": 2.5, "width": 640, "height": 480, "frame_rate": 25.0, "bytes": 1000},
        "deblur": {"applied": False, "frames": 0},
        "models": {"deblur": {"version": "1", "sha256": "cd" * 32}},
        "timing_ms": {"decode": 1.0},
    }
    return {**values, **changes}


def asked(format: str = "json", **changes: Any) -> bytes:
    """The body of a request."""
    return json.dumps({"result": result(), "file": NAME, "format": format, **changes}).encode()


def ask(live: LiveGateway, format: str = "json", **changes: Any) -> httpx.Response:
    return post(live, asked(format, **changes))


def post(live: LiveGateway, body: bytes) -> httpx.Response:
    """The answer, however long a busy machine takes to start what draws."""
    headers = {"X-Api-Key": live.key}
    return httpx.post(f"{live.url}/v1/report", content=body, headers=headers, timeout=None, trust_env=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the Python client makes of the same result."""
    with ReportFolder(tmp_path_factory.mktemp("results"), [Path(NAME)], OPTIONS) as written:
        written.add(0, Result.from_dict(result()))
    return written.directory


def undated(content: bytes) -> bytes:
    """Without the moment at which it was made."""
    content = re.sub(rb"\d{4}-\d\d-\d\d \d\d:\d\d UTC", b"", content)
    return re.sub(rb"/CreationDate \([^)]*\)", b"", content)


TYPES = {
    "html": "text/html; charset=utf-8",
    "pdf": "application/pdf",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
}


@pytest.mark.slow
def test_a_report_is_the_clients_own(live: LiveGateway, folder: Path) -> None:
    values = {**result(), "request": {"file": "old.mp4", "options": OPTIONS}}
    for format, media_type in TYPES.items():
        answer = ask(live, format, result=values)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, media_type), answer.text
        found = re.search(r'filename="([^"]+)"', answer.headers["Content-Disposition"])
        assert found is not None
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert undated(answer.content) == undated((folder / found[1]).read_bytes())
    read = Result.from_dict(json.loads(answer.text))
    assert read.verdict == "fake"


@pytest.mark.slow
def test_a_process_draws_one_after_another_and_is_kept(live: LiveGateway) -> None:
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: ask(live, "csv").status_code, range(3)))
    assert answers == [200] * 3
    assert len(drawing()) == 1


def test_a_gateway_does_not_load_what_draws() -> None:
    """It would start later, and hold fifty megabytes more in each of its processes."""
    looks = "import gateway.__main__, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", looks], capture_output=True, text=True, check=True).stdout
    assert "gateway.reports" in loaded.split()
    assert "matplotlib" not in loaded.split()


def drawing() -> list[psutil.Process]:
    """The processes that draw for gateways of this one."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it may end while it is looked at
            if "gateway.renderer" in child.cmdline():
                found.append(child)
    return found


@pytest.mark.parametrize(
    ("body", "about"),
    [
        (b"", "JSON"),
        (b"{", "JSON"),
        (b"[" * 100_000, "JSON"),
        (b"[]", "result, file and format"),
        (b"{}", "result, file and format"),
        (b'{"result": {}, "file": "a", "format": "html", "more": 1}', "result, file and format"),
        (b'{"result": {}, "file": "a", "format": "exe"}', "html, pdf, csv, json"),
        (b'{"result": {}, "file": "a", "format": []}', "html, pdf, csv, json"),
        (b'{"result": {}, "file": "", "format": "html"}', "name"),
        (b'{"result": {}, "file": 1, "format": "html"}', "name"),
        (b'{"result": [], "file": "a", "format": "html"}', "object"),
        (b'{"result": {}, "file": "a", "format": "html"}', "as /v1/detect answers it"),
        (b'{"result": {"id": NaN}, "file": "a", "format": "html"}', "JSON"),
        (b"\xff\xfe", "JSON"),
    ],
)
def test_what_is_no_result_is_refused(body: bytes, about: str) -> None:
    with pytest.raises(RefusedError, match=about):
        rendered(body)


@pytest.mark.slow
def test_a_refusal_is_an_answer(live: LiveGateway) -> None:
    for body in (b"", b"{}", asked(result={}), asked("exe")):
        answer = post(live, body)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (400, "bad_options")
        assert error["message"]
        assert error["hint"]
    assert ask(live).status_code == 200, "the process goes on"


@pytest.mark.parametrize("file", ["../../etc/passwd.mp4", "C:\\videos\\passwd.mp4", "a/b/passwd.mp4"])
def test_folders_are_no_part_of_a_name(file: str) -> None:
    head, content = rendered(asked(file=file))
    assert head["name"] == "passwd.json"
    assert json.loads(content)["request"]["file"] == "passwd.mp4"


@pytest.mark.parametrize(
    ("name", "plain", "coded"),
    [
        ('a"b.json', "a_b.json", "a%22b.json"),
        ("größe.json", "gr__e.json", "gr%C3%B6%C3%9Fe.json"),
        ("a;b=c.json", "a;b=c.json", "a%3Bb%3Dc.json"),
        ("100%.json", "100_.json", "100%25.json"),
    ],
)
def test_a_name_stays_within_its_header(name: str, plain: str, coded: str) -> None:
    disposition = Report(name, "application/json", b"").response().headers["Content-Disposition"]
    assert disposition == f"attachment; filename=\"{plain}\"; filename*=UTF-8''{coded}"


@pytest.mark.parametrize("file", ["a\r\nSet-Cookie: x=y", "\x00", "\ud800", "\u202egnp.exe"])
def test_what_cannot_be_printed_is_no_part_of_a_name(file: str) -> None:
    head, content = rendered(asked(file=file))
    assert head["name"].isprintable()
    assert json.loads(content)["request"]["file"].isprintable()


def test_a_report_runs_no_script() -> None:
    evil = "<script>alert(1)</script>"
    values = result(verdict=evil, models={evil: {evil: evil}})
    _, page = rendered(asked("html", file=f"{evil}.mp4", result=values))
    assert page
    assert b"<script" not in page


def test_it_takes_a_key(live: LiveGateway) -> None:
    assert live.ask("POST", "/v1/report", key="", json={}).status_code == 401


def test_a_request_that_is_too_large_is_told_so(live: LiveGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.app.REQUEST_BYTES", 1000)
    assert ask(live).status_code == 413

    def pieces() -> Iterator[bytes]:
        yield from [b" " * 600] * 3

    streamed = live.ask("POST", "/v1/report", content=pieces())
    assert (streamed.status_code, streamed.json()["error"]["code"]) == (413, "too_large")


def test_more_than_a_video_has_is_refused() -> None:
    with pytest.raises(RefusedError, match="segments"):
        rendered(asked("html", result=result(segments=result()["segments"] * 5001)))


@pytest.mark.slow
def test_what_takes_too_long_is_ended(live: LiveGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(live).status_code == 200
    (before,) = drawing()
    monkeypatch.setattr(reports, "MAX_DRAWING_S", 0.01)
    answer = ask(live, "pdf")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_options")
    assert not before.is_running()
    monkeypatch.undo()
    assert ask(live).status_code == 200, "the next is drawn by another"


@pytest.mark.slow
def test_a_process_that_dies_costs_one_request(live: LiveGateway) -> None:
    assert ask(live).status_code == 200
    (process,) = drawing()
    process.suspend()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, live)
        wait_until(lambda: live.gateway.renderer._waiting == 1)
        process.kill()
        assert answer.result().status_code in (200, 400), "it had died before, or while it drew"
    assert ask(live).status_code == 200


@pytest.mark.slow
def test_whoever_does_not_wait_for_the_start_leaves_it_to_the_next(live: LiveGateway) -> None:
    address = urlsplit(live.url)
    body = json.dumps({"result": result(), "file": NAME, "format": "json"}).encode()
    with socket.create_connection((address.hostname, address.port)) as caller:
        head = f"POST /v1/report HTTP/1.1\r\nHost: x\r\nX-Api-Key: {live.key}\r\n"
        caller.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        wait_until(drawing)
        (starting,) = drawing()
    wait_until(lambda: live.gateway.renderer._waiting == 0)
    assert ask(live).status_code == 200
    assert drawing() == [starting]


@pytest.mark.slow
def test_a_process_that_does_not_start_is_our_own_fault(
    live: LiveGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in (("/nowhere/python",), (sys.executable, "-c", "")):
        monkeypatch.setattr(reports, "COMMAND", command)
        answer = ask(live)
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    monkeypatch.undo()
    assert ask(live).status_code == 200


def test_so_many_wait_and_no_more(live: LiveGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "MAX_WAITING", 0)
    answer = ask(live)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "busy")
    assert answer.headers["Retry-After"]


@pytest.mark.slow
def test_an_idle_process_ends(make_gateway: MakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "IDLE_S", 0.05)
    live = make_gateway()
    assert ask(live).status_code == 200
    wait_until(lambda: not drawing())
    assert ask(live).status_code == 200
