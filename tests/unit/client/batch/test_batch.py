"""``outofsync batch``: what is done stays done, and is done once."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import Result
from command_runner import outofsync
from unit.client.conftest import TOKEN

from outofsync_client.batch.runner import Tally
from outofsync_client.cli.pace import Pace

if TYPE_CHECKING:
    from unit.client.conftest import Received, StubServer

MakeResult = Callable[..., dict[str, Any]]
Run = Callable[..., Result]
VIDEOS = {"a/real.mp4": b"real", "a/fake.MOV": b"fake", "b/mute.mkv": b"mute", "b/again.mp4": b"real"}


@pytest.fixture
def run(
    server: StubServer, make_result: MakeResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """``outofsync batch`` in a folder with videos, whose content says what the server answers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OUTOFSYNC_URL", server.url)
    monkeypatch.setenv("OUTOFSYNC_TOKEN", TOKEN)
    for name, content in VIDEOS.items():
        path = tmp_path / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "videos" / "notes.txt").write_text("no video")

    def answer(request: Received) -> tuple[int, bytes]:
        content = request.fields["data"].decode()
        if content == "mute":
            error = {"code": "no_audio", "status": 422, "message": "No sound."}
            return 200, json.dumps({"error": error}).encode()
        return 200, json.dumps(make_result(verdict=content)).encode()

    server.answer = answer
    return lambda *words: outofsync("batch", *words)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_folder_is_judged_once_for_each_content(run: Run, server: StubServer, tmp_path: Path) -> None:
    result = run("videos", "--output-dir", "out", "--jobs", "2")
    assert result.exit_code == 3, "one video has no sound"
    assert len(server.received) == 3
    results, errors = lines(tmp_path / "out/results.jsonl"), lines(tmp_path / "out/errors.jsonl")
    assert {entry["result"]["verdict"] for entry in results} == {"real", "fake"}
    assert {entry["sha256"] for entry in results} == {
        hashlib.sha256(x).hexdigest() for x in (b"real", b"fake")
    }
    assert [entry["error"]["code"] for entry in errors] == ["no_audio"]
    with (tmp_path / "out/results.csv").open() as stream:
        assert {row["verdict"] for row in csv.DictReader(stream)} == {"real", "fake"}
    assert "3 judged, 1 done before, 0 left" in result.stdout


def test_each_name_of_one_content_has_its_row(run: Run, server: StubServer, tmp_path: Path) -> None:
    for number in range(16):
        (tmp_path / f"videos/a/copy{number}.mp4").write_bytes(b"real")
    run("videos/a", "--output-dir", "out", "--jobs", "4")
    assert len(server.received) == 2
    with (tmp_path / "out/results.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["verdict"] == "real"]
    assert {Path(row["path"]).name for row in rows} == {"real.mp4", *(f"copy{n}.mp4" for n in range(16))}
    run("videos/a", "--output-dir", "out", "--resume")
    assert len(lines(tmp_path / "out/results.jsonl")) == 18


def test_what_a_mac_leaves_beside_a_video_is_left_out_and_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "videos/a/._real.mp4").write_bytes(b"\0\5\x16\7")
    result = run("videos/a", "--output-dir", "out")
    assert result.exit_code == 1, "one of them is fake, and none an error"
    assert "left out 1 file" in result.stderr


def test_a_list_may_begin_with_a_byte_order_mark(run: Run, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("\ufeffvideos/a/real.mp4\n", encoding="utf-8")
    assert run("--from-list", "list.txt", "--output-dir", "out").exit_code == 0


@pytest.mark.parametrize("name", ["=1+1.mp4", "+a.mp4", "@sum.mp4", "-a.mp4"])
def test_no_name_is_a_formula_in_a_spreadsheet(run: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"real")
    (tmp_path / "list.txt").write_text(f"{name}\n", encoding="utf-8")
    run("--from-list", "list.txt", "--output-dir", "out")
    with (tmp_path / "out/results.csv").open() as stream:
        assert [row["path"] for row in csv.DictReader(stream)] == [f"'{name}"]
    assert lines(tmp_path / "out/results.jsonl")[0]["path"] == name


def test_a_second_run_does_only_what_is_new(run: Run, server: StubServer, tmp_path: Path) -> None:
    run("videos/a", "--output-dir", "out")
    before = (tmp_path / "out/results.jsonl").read_text()
    asked = len(server.received)
    (tmp_path / "videos/a/real.mp4").rename(tmp_path / "videos/a/renamed.mp4")
    assert run("videos/a", "--output-dir", "out", "--resume").exit_code == 0
    assert len(server.received) == asked
    assert (tmp_path / "out/results.jsonl").read_text() == before
    (tmp_path / "videos/a/third.mp4").write_bytes(b"likely_fake")
    assert run("videos/a", "--output-dir", "out", "--resume").exit_code == 1
    assert len(server.received) == asked + 1


def test_other_options_are_another_question(run: Run, server: StubServer) -> None:
    run("videos/a/real.mp4", "--output-dir", "out")
    run("videos/a/real.mp4", "--output-dir", "out", "--resume", "--deblur", "always")
    assert [request.options for request in server.received] == [{}, {"deblur": "always"}]


def test_failures_are_tried_again_only_on_request(run: Run, server: StubServer) -> None:
    for words, asked in [((), 1), (("--resume",), 1), (("--resume", "--retry-failed"), 2)]:
        run("videos/b/mute.mkv", "--output-dir", "out", *words)
        assert len(server.received) == asked


def test_a_ledger_is_never_begun_anew_by_mistake(run: Run) -> None:
    run("videos/a", "--output-dir", "out")
    refused = run("videos/a", "--output-dir", "out")
    assert refused.exit_code == 3
    assert "--resume" in refused.stderr


def test_a_line_that_a_crash_cut_short_is_done_again(run: Run, server: StubServer, tmp_path: Path) -> None:
    run("videos/a/real.mp4", "--output-dir", "out")
    ledger = tmp_path / "out/results.jsonl"
    ledger.write_text(ledger.read_text()[:-20])
    run("videos/a/real.mp4", "--output-dir", "out", "--resume")
    assert len(server.received) == 2
    assert len(lines(ledger)) == 1


@pytest.mark.parametrize("lost", ["a row", "half a row", "all of it"])
def test_the_table_is_whole_again_after_a_crash_between_two_writes(
    run: Run, server: StubServer, tmp_path: Path, lost: str
) -> None:
    run("videos/a", "--output-dir", "out")
    run("videos/a/real.mp4", "--output-dir", "out", "--resume", "--deblur", "always")
    table = tmp_path / "out/results.csv"
    whole = table.read_text()
    assert len(whole.splitlines()) == 4, "a head, and a row for each question"
    last = len(whole.splitlines(keepends=True)[-1])
    table.write_text({"a row": whole[:-last], "half a row": whole[: -last // 2], "all of it": ""}[lost])
    run("videos/a", "--output-dir", "out", "--resume")
    assert len(server.received) == 3, "nothing was judged again"
    assert table.read_text() == whole


def test_a_list_names_videos(run: Run, server: StubServer, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("# today\n\nvideos/a/*.mp4\nvideos/b/mute.mkv\n")
    run("--from-list", "list.txt", "--output-dir", "out", "--quiet")
    assert sorted(request.fields["data"] for request in server.received) == [b"mute", b"real"]


@pytest.mark.parametrize("names", [["nowhere.mp4"], ["*.nothing"], []])
def test_a_name_that_means_nothing_is_said(run: Run, names: list[str]) -> None:
    refused = run(*names, "--output-dir", "out")
    assert refused.exit_code == 3
    assert refused.stderr


def test_the_pace_foretells_the_end() -> None:
    now = [0.0]
    tally = Tally()
    pace = Pace(10, tally, clock=lambda: now[0])
    assert pace.words() == "0 judged, 0 done before, 10 left"
    now[0] = 60.0
    tally.verdicts["real"] = 2
    tally.skipped = 2
    assert pace.words() == "2 judged, 2 done before, 6 left, 2.0 a minute, 3 min to go"
