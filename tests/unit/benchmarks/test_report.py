"""Percentiles, tables, and what is written with the numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.report import median, percentile, print_table, write_json


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.25, 1.75), (0.5, 2.5), (0.95, 3.85), (1.0, 4.0)])
def test_percentiles_are_interpolated(share: float, value: float) -> None:
    assert percentile([4.0, 2.0, 1.0, 3.0], share) == pytest.approx(value)


def test_one_value_is_every_percentile() -> None:
    assert [percentile([7.0], share) for share in (0.0, 0.5, 0.95, 1.0)] == [7.0] * 4


def test_no_values_have_no_median() -> None:
    with pytest.raises(ValueError, match="no values"):
        median([])


def test_columns_line_up(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("Title", ["name", "rate"], [["a", 1.23456], ["longer", 123.456], ["none", None]])
    assert capsys.readouterr().out.splitlines() == [
        "",
        "Title",
        "name     rate",
        "a        1.23",
        "longer  123.5",
        "none        -",
    ]


def test_numbers_say_where_they_come_from(tmp_path: Path) -> None:
    write_json(tmp_path / "new" / "one.json", {"rate": 1.5})
    document = json.loads((tmp_path / "new" / "one.json").read_text())
    assert document["results"] == {"rate": 1.5}
    assert {"cpu", "cores", "memory_gb", "python", "torch"} <= document["machine"].keys()
    write_json(None, {})  # nobody asked for a file
