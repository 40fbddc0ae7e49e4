"""Results as Python objects."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

from outofsync_client import Result

MakeResult = Callable[..., dict[str, Any]]


def test_every_field_is_read(make_result: MakeResult) -> None:
    result = Result.from_dict(make_result(reasons=[{"code": "jumps", "message": "It jumps."}]))
    assert result.probability_fake == 0.03
    assert result.reasons[0].message == "It jumps."
    assert (result.segments[1].start, result.segments[1].peak_delay) == (3.0, 3)
    assert result.tracks[0].box == (10, 20, 110, 120)
    assert result.delays.shape == result.features.shape == (60, 31)
    with pytest.raises(FrozenInstanceError):
        result.verdict = "fake"  # type: ignore[misc]


def test_fields_of_newer_servers_are_kept(make_result: MakeResult) -> None:
    values = make_result(new_field={"deep": [1]})
    result = Result.from_dict(values)
    assert result.to_dict() == values
    result.to_dict()["new_field"]["deep"].append(2)
    assert result.to_dict() == values


def test_what_was_not_asked_for_is_empty(make_result: MakeResult) -> None:
    values = make_result()
    del values["delays"], values["features"]
    result = Result.from_dict(values)
    assert result.delays.shape == result.features.shape == (0, 31)
    assert len(result.window_times) == 0


def test_windows_start_with_the_track_that_speaks(make_result: MakeResult) -> None:
    result = Result.from_dict(make_result(3))
    assert result.window_times == pytest.approx([1.0, 1.04, 1.08])
    assert Result.from_dict(make_result(2, delays_start=5.0)).window_times == pytest.approx([5.0, 5.04])


def test_an_inconclusive_result_has_neither_label_nor_score(no_face: dict[str, Any]) -> None:
    result = Result.from_dict(no_face)
    assert not result.is_conclusive
    assert not result.is_fake
    assert result.score is None
    assert result.label is None


def test_a_result_survives_json(make_result: MakeResult) -> None:
    values = make_result(unknown={"of": ["a newer server"]})
    again = Result.from_dict(json.loads(Result.from_dict(values).to_json()))
    assert again == Result.from_dict(values)
    assert again.to_dict()["unknown"] == {"of": ["a newer server"]}


def test_a_result_draws_and_reports_itself(make_result: MakeResult, tmp_path: Path) -> None:
    result = Result.from_dict(make_result())
    assert len(result.plot("clip.mp4").axes) >= 4
    result.save_report(tmp_path / "clip.html", title="clip.mp4")
    assert "clip.mp4" in (tmp_path / "clip.html").read_text()
    with pytest.raises(ValueError, match="a report is one of"):
        result.save_report(tmp_path / "clip.doc")


def test_segments_become_a_table(make_result: MakeResult) -> None:
    frame = Result.from_dict(make_result()).to_dataframe()
    assert list(frame["probability_fake"]) == [0.02, 0.8]
    assert list(frame.columns) == ["start", "end", "track", "score", "probability_fake", "peak_delay"]
