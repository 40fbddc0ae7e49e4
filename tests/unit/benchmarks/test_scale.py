"""The page about millions of videos says what its script makes of what was measured."""

from __future__ import annotations

import pytest

from benchmarks.scale import MARKS, PAGE, WEEK_S, Measured, Scale, main, page, tables
from outofsync_cluster.run import PART_ROWS, PART_S

EXAMPLE = Measured(
    core_s=10.0,
    video_bytes=3e6,
    result_bytes=4e3,
    start_s=10.0,
    driver_s=1e-3,
    driver_bytes=200.0,
    engine_bytes=1e9,
    clips=100,
)


def test_the_page_is_what_the_script_makes_of_the_measured_files() -> None:
    text = PAGE.read_text()
    made = tables(Measured.read())
    assert [found["name"] for found in MARKS.finditer(text)] == list(made)
    assert page(text, made) == text, "run `python -m benchmarks.scale`"


def test_the_arithmetic() -> None:
    scale = Scale(1_000_000, EXAMPLE)
    rows = dict(scale.rows)
    assert rows["core-hours"] == "2,780"
    assert scale.cores == pytest.approx(1e7 / WEEK_S)
    assert rows["nodes of 16 cores"] == "2"
    assert rows["read from storage"] == "3 TB"
    assert rows["reading requests"] == "2 million"
    assert scale.parts == pytest.approx(WEEK_S / PART_S), "parts are written after a while, however few rows"
    assert rows["the driver's memory"] == "200 MB"
    large = Scale(100_000_000, EXAMPLE)
    assert large.parts == 100_000_000 / PART_ROWS
    assert dict(large.rows)["price of the cores"] == "$11,100"


def test_a_page_is_changed_between_its_marks_alone() -> None:
    text = "before\n<!-- begin one -->\nold\n<!-- end -->\nafter\n"
    assert page(text, {"one": "new\n"}) == "before\n<!-- begin one -->\nnew\n<!-- end -->\nafter\n"


def test_the_command_has_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "--measure" in capsys.readouterr().out
