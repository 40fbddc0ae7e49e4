"""The files that a results folder holds."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread
from PIL import Image

from outofsync_client import NoAudioError, Result
from outofsync_client.reports import ReportFolder, save_report, story
from outofsync_client.reports.folder import distinct_names
from outofsync_client.reports.picture import draw
from outofsync_client.reports.wording import delay_words, percent

MakeResult = Callable[..., dict[str, Any]]


def read_csv(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream))


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, make_result: MakeResult, no_face: dict[str, Any]
) -> Path:
    """Reports on four videos, added out of order; tests read them and change nothing."""
    videos = [Path("a/clip.mp4"), Path("b/clip.mp4"), Path("mute, $x_1$\nclip.mov"), Path("c/nobody.mkv")]
    with ReportFolder(tmp_path_factory.mktemp("new") / "results", videos) as reports:
        reports.add(1, Result.from_dict(make_result(verdict="fake", score=1.25, peak=7)))
        reports.add(0, Result.from_dict(make_result()))
        reports.add(3, Result.from_dict(no_face))
        reports.add(2, NoAudioError("There is no sound.", status=422, hint="Send one with sound."))
    return reports.directory


def test_the_summary_has_the_videos_in_their_order(folder: Path) -> None:
    assert read_csv(folder / "detection_summary.csv") == [
        ["video_path", "final_score", "verdict"],
        ["a/clip.mp4", "0.125", "real"],
        ["b/clip.mp4", "1.25", "fake"],
        ["mute, $x_1$\nclip.mov", "", "error"],
        ["c/nobody.mkv", "", "inconclusive"],
    ]
    np.testing.assert_array_equal(np.load(folder / "testing_score.npy"), [0.125, 1.25, np.nan, np.nan])


def test_the_log_has_one_line_for_each_video(folder: Path) -> None:
    lines = (folder / "output.log").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 4
    assert "b/clip.mp4: fake, score 1.2500" in lines[0]
    assert "no_audio: There is no sound. Send one with sound." in lines[3]


def test_delays_have_a_row_for_each_window(folder: Path, make_result: MakeResult) -> None:
    header, *rows = read_csv(folder / "clip_delays.csv")
    assert header == [f"delay_{delay}" for delay in range(-15, 16)] + ["timestamp"]
    values = np.array(rows, np.float64)
    np.testing.assert_array_equal(values[:, :31], make_result()["delays"])
    np.testing.assert_allclose(values[:, 31], 1 + np.arange(60) / 25)


def test_the_json_is_the_result_or_the_error(folder: Path, make_result: MakeResult) -> None:
    written = json.loads((folder / "clip.json").read_text())
    assert written.pop("request") == {"file": "clip.mp4", "options": {}}
    assert written == make_result()
    (error,) = [json.loads(path.read_text()) for path in folder.glob("mute*.json")]
    assert error["error"]["code"] == "no_audio"


def test_there_is_a_picture_of_each_result(folder: Path) -> None:
    names = sorted(path.name for path in folder.glob("*_analysis.png"))
    assert names == ["clip-2_analysis.png", "clip_analysis.png", "nobody_analysis.png"]
    for name in names:
        picture = imread(folder / name)
        assert picture.shape[0] > 800
        assert picture[..., :3].std() > 0.05  # not a blank page


@pytest.mark.slow
def test_an_interrupted_run_leaves_a_summary_of_what_is_done(tmp_path: Path, make_result: MakeResult) -> None:
    def interrupted() -> None:
        with ReportFolder(tmp_path, [Path("one.mp4"), Path("two.mp4")]) as reports:
            reports.add(1, Result.from_dict(make_result()))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert read_csv(tmp_path / "detection_summary.csv")[1:] == [["two.mp4", "0.125", "real"]]


def test_equal_stems_get_names_of_their_own() -> None:
    videos = [Path(name) for name in ("a.mp4", "x/a.mov", "A.mkv", "a-2.mp4", "b.mp4")]
    assert distinct_names(videos) == ["a", "a-2", "A-3", "a-2-2", "b"]


def texts(result: Result) -> str:
    figure = draw(result, title="clip.mp4")
    found = [text.get_text() for axes in figure.axes for text in axes.texts]
    return "\n".join(found + [axes.get_title(loc="left") for axes in figure.axes])


def test_the_longest_names_leave_room_for_what_reports_add() -> None:
    names = distinct_names([Path("ä" * 120 + ".mp4"), Path("ä" * 119 + "b.mp4")])
    assert len(set(names)) == 2
    assert all(len(os.fsencode(f"{name}_analysis.png")) <= 255 for name in names)


def test_the_picture_tells_the_shift_and_the_suspicious_segment(make_result: MakeResult) -> None:
    shown = texts(Result.from_dict(make_result(peak=7, verdict="likely_fake")))
    assert "LIKELY FAKE" in shown
    assert "+7 frames (sound 0.28 s late)" in shown
    assert "1 of 2 suspicious (red), most of all 3.0 to 3.4 s" in shown


def test_a_picture_without_a_clear_delay_does_not_claim_one(make_result: MakeResult) -> None:
    noise = np.random.default_rng(1).normal(scale=0.1, size=(60, 31)).tolist()
    assert "hardly a peak" in texts(Result.from_dict(make_result(delays=noise)))


def test_text_stays_inside_the_picture(make_result: MakeResult) -> None:
    reasons = [{"code": "x", "message": "A long reason with many words that goes on and on. " * 3}] * 5
    changes: dict[str, Any] = {
        "reasons": reasons,
        "offset_frames": -15,
        "score": 1234.5,
        "verdict": "inconclusive",
    }
    figure = draw(Result.from_dict(make_result(peak=-15, **changes)), title="name " * 60)
    figure.canvas.draw()
    width, height = figure.get_size_inches() * figure.dpi
    for text in [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]:
        box = text.get_window_extent()
        assert 0 <= box.x0 < box.x1 <= width, text.get_text()
        assert 0 <= box.y0 < box.y1 <= height, text.get_text()


@pytest.mark.parametrize("windows", [1, 2, 7496])
def test_any_length_can_be_drawn(make_result: MakeResult, windows: int) -> None:
    draw(Result.from_dict(make_result(windows)), title="clip.mp4").canvas.draw()


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        (None, "\N{EN DASH}"),
        (0, "in sync"),
        (1, "+1 frame (sound 0.04 s late)"),
        (-10, "\N{MINUS SIGN}10 frames (sound 0.40 s early)"),
    ],
)
def test_delays_are_told_in_words(frames: int | None, words: str) -> None:
    assert delay_words(frames) == words


@pytest.mark.parametrize(
    ("probability", "words"), [(0, "0 %"), (0.001, "< 1 %"), (0.5, "50 %"), (0.9999, "> 99 %"), (1, "100 %")]
)
def test_rounding_claims_no_certainty(probability: float, words: str) -> None:
    assert percent(probability) == words


def jpeg() -> str:
    """A small grey picture, as a server sends stills."""
    picture = io.BytesIO()
    Image.new("RGB", (16, 16), "grey").save(picture, "JPEG")
    return base64.b64encode(picture.getvalue()).decode()


@pytest.fixture
def doubtful(make_result: MakeResult) -> Result:
    """A fake with a still of its suspicious stretch, and a hostile name among its reasons."""
    frames = [{"time": 3.2, "track": 0, "jpeg": jpeg()}, {"time": 1.5, "track": 0, "jpeg": "not base64!"}]
    reasons = [{"code": "out_of_sync", "message": "Lips and voice do <script>alert(1)</script> not fit."}]
    return Result.from_dict(
        make_result(verdict="fake", probability_fake=0.97, frames=frames, reasons=reasons)
    )


def test_a_page_tells_the_whole_story_and_loads_nothing(doubtful: Result, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    save_report(path, doubtful, title='<img src=x onerror="alert(1)">.mp4', options={"deblur": "always"})
    page = path.read_text(encoding="utf-8")
    told = ("very likely manipulated", "97 %", "3.0 to 3.4 s", doubtful.id, "always", "one piece of evidence")
    for words in told:
        assert words in page
    assert page.count("data:image/jpeg") == 1
    assert page.count("no still") == 1
    assert "<script" not in page
    assert "<img src=x" not in page
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)


@pytest.mark.parametrize("kind", ["pdf", "png"])
@pytest.mark.parametrize("which", ["fake", "no face"])
@pytest.mark.slow
def test_a_report_on_paper(
    doubtful: Result, no_face: dict[str, Any], tmp_path: Path, kind: str, which: str
) -> None:
    result = doubtful if which == "fake" else Result.from_dict(no_face)
    path = tmp_path / f"report.{kind}"
    save_report(path, result, title="$x_1$ \n clip.mp4")
    if kind == "png":
        picture = imread(path)
        findings, panels = np.split(picture, [int(picture.shape[1] * 297 / 210)])
        assert findings.std() > 0.05
        assert panels.std() > 0.05
    else:
        assert path.read_bytes().startswith(b"%PDF")
        assert path.read_bytes().count(b"/Type /Page ") == 2


def test_the_settings_sum_is_that_of_the_words_beside_it(doubtful: Result) -> None:
    options = {"mode": None, "lam": 0.5, "deblur": "never", "include": ["frames"]}
    facts = dict(story.fingerprints(doubtful, options))
    assert facts["settings"] == '{"deblur": "never", "lam": 0.5}'
    assert facts["SHA-256 of the settings"] == sha256(facts["settings"].encode()).hexdigest()
    assert "defaults" in dict(story.fingerprints(doubtful, {"include": ["frames"]}))["settings"]


def test_moments_are_the_most_suspicious_in_order_of_time(make_result: MakeResult) -> None:
    segments = [
        {"start": float(start), "end": start + 1.0, "track": 0, "probability_fake": (start * 7 % 10) / 10}
        for start in range(10)
    ]
    found = story.moments(Result.from_dict(make_result(segments=segments)))
    assert [moment.segment.probability_fake for moment in found] == [0.7, 0.4, 0.8, 0.5, 0.9, 0.6]
    assert [moment.segment.start for moment in found] == [1.0, 2.0, 4.0, 5.0, 7.0, 8.0]


def test_another_format_is_a_sentence(doubtful: Result, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"report\.docx: a report is one of \.html, \.pdf, \.png"):
        save_report(tmp_path / "report.docx", doubtful)
