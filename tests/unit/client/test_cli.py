"""The command line, as a user runs it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import Result
from command_runner import outofsync
from unit.client.conftest import API_KEY, TOKEN

if TYPE_CHECKING:
    from unit.client.conftest import Received, StubServer

MakeResult = Callable[..., dict[str, Any]]


@pytest.fixture
def run(server: StubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run ``outofsync`` in an empty folder whose environment names the server."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OUTOFSYNC_URL", server.url)
    monkeypatch.setenv("OUTOFSYNC_TOKEN", TOKEN)
    monkeypatch.delenv("COLUMNS", raising=False)
    return outofsync


@pytest.fixture
def by_content(server: StubServer, make_result: MakeResult, no_face: dict[str, Any], tmp_path: Path) -> None:
    """Files whose content says what the server answers."""
    answers = {
        b"real": make_result(),
        b"fake": make_result(verdict="fake", label="FAKE", probability_fake=0.97, score=1.5),
        b"nobody": no_face,
        b"mute": {
            "error": {
                "code": "no_audio",
                "status": 422,
                "stage": "probe",
                "message": "The file holds no sound.",
                "hint": "Send a file with sound.",
                "request_id": "",
            }
        },
    }

    def answer(request: Received) -> tuple[int, bytes]:
        return 200, json.dumps(answers[request.fields["data"]]).encode()

    server.answer = answer
    for content in answers:
        (tmp_path / f"{content.decode()}.mp4").write_bytes(content)


@pytest.mark.usefixtures("by_content")
@pytest.mark.parametrize(
    ("files", "code"),
    [
        (["real"], 0),
        (["real", "fake"], 1),
        (["real", "nobody"], 2),
        (["nobody", "fake"], 1),
        (["fake", "mute", "nobody"], 3),
        (["real", "missing"], 3),
    ],
)
def test_the_exit_code_tells_what_was_found(run: Callable[..., Result], files: list[str], code: int) -> None:
    assert run("detect", *(f"{name}.mp4" for name in files)).exit_code == code


@pytest.mark.usefixtures("by_content")
def test_the_table_has_a_row_for_each_file_and_goes_on_after_an_error(run: Callable[..., Result]) -> None:
    result = run("detect", "mute.mp4", "missing.mp4", "fake.mp4", "nobody.mp4")
    rows = {
        name: line
        for line in result.stdout.splitlines()
        for name in ("mute", "fake", "nobody")
        if name in line
    }
    assert "error" in rows["mute"]
    assert "97 %" in rows["fake"]
    assert "1.500" in rows["fake"]
    assert "inconclusive" in rows["nobody"]
    assert "No face was found" in rows["nobody"]
    assert "Send a file with sound." in " ".join(result.stdout.split())
    assert "[4/4]" in result.stderr


@pytest.mark.parametrize("words", [["detect", "--json", "clip.mp4"], ["deblur", "clip.mp4", "out.mp4"]])
def test_a_terminal_shows_how_far_an_upload_is(
    run: Callable[..., Result],
    server: StubServer,
    make_result: MakeResult,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
) -> None:
    result, video = json.dumps(make_result()).encode(), b"\x00\x00\x00\x18ftyp"
    server.answer = lambda request: (200, video if request.path.endswith("deblur") else result)
    (tmp_path / "clip.mp4").write_bytes(bytes(900_000))
    elsewhere = run(*words)
    assert elsewhere.exit_code == 0
    assert "MB" not in elsewhere.stderr.replace("(0.0 MB)", ""), "a log is not filled with it"
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes the output for a terminal's
    monkeypatch.setenv("COLUMNS", "120")
    shown = run(*words)
    assert shown.exit_code == 0
    assert "sending clip.mp4" in shown.stderr
    assert "waiting for the answer: clip.mp4" in shown.stderr
    assert "0.9/0.9 MB" in shown.stderr


@pytest.mark.usefixtures("by_content")
def test_json_has_a_line_for_each_file_in_order(run: Callable[..., Result], make_result: MakeResult) -> None:
    result = run("detect", "--json", "--jobs", "4", "mute.mp4", "real.mp4", "fake.mp4")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["file"] for line in lines] == ["mute.mp4", "real.mp4", "fake.mp4"]
    assert lines[0]["error"]["code"] == "no_audio"
    assert lines[1]["result"] == make_result()


@pytest.mark.slow
@pytest.mark.usefixtures("by_content")
def test_an_output_folder_gets_the_reports(
    run: Callable[..., Result], server: StubServer, tmp_path: Path
) -> None:
    result = run("detect", "real.mp4", "mute.mp4", "--output-dir", "results", "--max-len", "20")
    assert result.exit_code == 3
    assert server.received[0].options == {"max_len": 20, "include": ["delays", "features", "frames"]}
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == [
        "detection_summary.csv",
        "mute.json",
        "output.log",
        "real.json",
        "real_analysis.png",
        "real_delays.csv",
        "real_report.html",
        "real_report.pdf",
        "testing_score.npy",
    ]
    assert run("report", "results/real.json", "--format", "html", "--output-dir", "again").exit_code == 0
    once, again = (
        (tmp_path / folder / "real_report.html").read_text().split("<footer>")[0]  # it names the minute
        for folder in ("results", "again")
    )
    assert again == once
    assert "max_len" in again


@pytest.mark.usefixtures("by_content")
def test_an_output_folder_that_cannot_be_made_is_an_error(run: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("detect", "real.mp4", "--output-dir", "file/below")
    assert result.exit_code == 3
    assert "reports cannot be written" in result.stderr


@pytest.mark.slow
def test_a_report_is_made_of_a_result_without_a_server(
    run: Callable[..., Result], make_result: MakeResult, tmp_path: Path
) -> None:
    written = tmp_path / "clip.json"
    written.write_text(json.dumps(make_result()))
    formats = ("--format", "pdf", "--format", "html")
    result = run("report", str(written), *formats, "--output-dir", str(tmp_path / "new"))
    assert result.exit_code == 0
    made = [tmp_path / "new" / f"clip_report.{kind}" for kind in ("pdf", "html")]
    assert result.stdout.splitlines() == [str(path) for path in made]
    assert all(path.stat().st_size for path in made)
    written.write_text("{}")
    refused = run("report", str(written))
    assert refused.exit_code == 3
    assert "holds no result" in refused.stderr


def test_deblur_writes_the_video(run: Callable[..., Result], server: StubServer, tmp_path: Path) -> None:
    server.answer = lambda _: (200, b"\x00\x00\x00\x18ftyp")
    (tmp_path / "in.mp4").write_bytes(b"x")
    assert run("deblur", "in.mp4", "out.mp4").exit_code == 0
    assert (tmp_path / "out.mp4").read_bytes() == b"\x00\x00\x00\x18ftyp"


def test_deblur_leaves_no_file_after_an_error(
    run: Callable[..., Result], server: StubServer, tmp_path: Path
) -> None:
    server.refuses("corrupt_media", message="It ends too early.")
    (tmp_path / "in.mp4").write_bytes(b"x")
    result = run("deblur", "in.mp4", "out.mp4")
    assert result.exit_code == 3
    assert "It ends too early." in result.stderr
    assert not (tmp_path / "out.mp4").exists()


def test_health_says_ready_or_why_not(run: Callable[..., Result], server: StubServer) -> None:
    server.refuses("empty_file")
    assert run("health").exit_code == 0
    server.answers({"code": 404, "message": "Workflow not found"}, 404)
    result = run("health")
    assert result.exit_code == 3
    assert "not ready" in result.stdout
    assert TOKEN not in result.output


def test_the_status_of_a_server_elsewhere_is_its_health(
    run: Callable[..., Result], server: StubServer
) -> None:
    server.refuses("empty_file")
    result = run("serve-status")
    assert result.exit_code == 0
    assert "Healthy, ready" in result.stdout
    status = json.loads(run("serve-status", "--json").stdout)
    assert status["health"]["ready"]
    assert status["served"] is None
    server.refuses("busy")
    assert run("serve-status", "--retries", "0").exit_code == 3


def state_of(url: str) -> dict[str, str]:
    """What a server on this machine keeps while it is ready."""
    others = dict.fromkeys(("management_url", "metrics_url", "management_token"), "")
    return {"url": url, "token": TOKEN, **others}


def test_a_running_servers_state_file_is_found_from_below(
    run: Callable[..., Result], server: StubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OUTOFSYNC_URL")
    monkeypatch.delenv("OUTOFSYNC_TOKEN")
    (tmp_path / ".state").mkdir()
    (tmp_path / ".state" / "server.json").write_text(json.dumps({**state_of(server.url), "pid": os.getpid()}))
    below = tmp_path / "videos" / "today"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    server.refuses("empty_file")
    assert run("health").exit_code == 0


def test_a_state_files_token_goes_to_no_other_server(
    run: Callable[..., Result], server: StubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OUTOFSYNC_TOKEN")
    (tmp_path / ".state").mkdir()
    (tmp_path / ".state" / "server.json").write_text(json.dumps(state_of("http://other:1")))
    result = run("health")
    assert result.exit_code == 3
    assert "Authorization" not in server.received[0].headers


@pytest.mark.parametrize("state", [None, "{", '{"token": 1}'])
def test_without_a_server_the_user_learns_how_to_name_one(
    run: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str | None
) -> None:
    monkeypatch.delenv("OUTOFSYNC_URL")
    if state:
        (tmp_path / ".state").mkdir()
        (tmp_path / ".state" / "server.json").write_text(state)
    result = run("health")
    assert result.exit_code == 3
    assert "pass --url" in result.stderr


def test_a_broken_state_file_is_in_nobodys_way_who_names_a_server(
    run: Callable[..., Result], server: StubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OUTOFSYNC_TOKEN")
    (tmp_path / ".state").mkdir()
    (tmp_path / ".state" / "server.json").write_text("{")
    assert "does not accept the token" in run("health", "--url", server.url).stderr


@pytest.mark.parametrize("arguments", [["detect"], ["detect", "--jobs", "99", "a"], ["detekt"], ["--wrong"]])
def test_a_wrong_command_line_is_no_verdict(run: Callable[..., Result], arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 3


def test_a_busy_server_is_asked_again_and_the_user_learns_why(
    run: Callable[..., Result], server: StubServer, tmp_path: Path
) -> None:
    server.refuses("busy", status=503)
    server.retry_after = "0"
    (tmp_path / "a.mp4").write_bytes(b"x")
    result = run("detect", "a.mp4", "--retries", "1")
    assert result.exit_code == 3
    assert len(server.received) == 2
    assert "busy (attempt 1); again in" in result.stderr
    assert TOKEN not in result.output


@pytest.mark.parametrize("way", ["option", "variable"])
def test_an_api_key_names_the_edge(
    run: Callable[..., Result], server: StubServer, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.delenv("OUTOFSYNC_TOKEN")
    server.refuses("empty_file")
    if way == "variable":
        monkeypatch.setenv("OUTOFSYNC_API_KEY", API_KEY)
        result = run("health")
    else:
        result = run("health", "--api-key", API_KEY)
    assert result.exit_code == 0
    assert [request.path for request in server.received] == ["/v1/health", "/v1/detect"]
    assert API_KEY not in result.output


def test_a_bundle_that_is_not_there_is_a_mistake(run: Callable[..., Result]) -> None:
    result = run("health", "--ca-bundle", "missing.pem")
    assert result.exit_code == 3
    assert "missing.pem does not exist" in result.stderr


@pytest.mark.usefixtures("by_content")
def test_folders_patterns_and_lists_name_videos(run: Callable[..., Result], tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "one.mp4").write_bytes((tmp_path / "real.mp4").read_bytes())
    (folder / "notes.txt").write_text("no video")
    (tmp_path / "list.txt").write_text("# today\nreal.mp4\n")
    for words, count in [
        (["folder"], 1),
        (["*eal.mp4"], 1),
        (["--from-list", "list.txt"], 1),
        (["real.mp4"] * 2, 2),
    ]:
        result = run("detect", "--json", *words)
        assert result.exit_code == 0, result.output
        assert len(result.stdout.splitlines()) == count


@pytest.mark.usefixtures("run")
def test_a_video_comes_from_standard_input(server: StubServer, make_result: MakeResult) -> None:
    server.answers(make_result())
    result = outofsync("detect", "--json", "-", input=b"\x00video\xff")
    assert result.exit_code == 0, result.output
    assert server.received[0].fields["data"] == b"\x00video\xff"


@pytest.mark.usefixtures("by_content")
def test_quiet_is_quiet(run: Callable[..., Result]) -> None:
    result = run("detect", "--quiet", "real.mp4")
    assert (result.exit_code, result.output) == (0, "")
