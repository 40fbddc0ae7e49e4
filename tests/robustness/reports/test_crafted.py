"""Whatever somebody calls a result, drawing it ends in a report or a refusal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from unit.gateway.test_reports import result

from gateway.renderer import rendered
from gateway.report_request import RefusedError

FAR = 10**400
HOSTILE: list[Any] = [None, FAR, "\x00\ud800" * 999, [[]], {}]
SEGMENT = dict(result()["segments"][0])
TRACK = dict(result()["tracks"][0])


def draw(values: dict[str, Any], kind: str) -> bytes:
    """The report, empty where it is refused; whatever else is raised is a fault."""
    body = json.dumps({"result": values, "file": "a.mp4", "format": kind}).encode()
    try:
        return rendered(body)[1]
    except RefusedError:
        return b""


FIELDS = [*result(), "features", "frames", "parts", "probability_aligned"]
DRAWN = ["html", "pdf"]  # each with the same charts, which take half a second


def in_turn(place: int, count: int) -> list[Any]:
    """Some of the values, others for the next field: what is drawn of each is drawn by the same code."""
    return [HOSTILE[(place + number) % len(HOSTILE)] for number in range(count)]


@pytest.mark.parametrize("kind", ["csv", "json"])
@pytest.mark.parametrize("field", FIELDS)
def test_a_field_of_another_kind_is_written_or_refused(field: str, kind: str) -> None:
    for value in HOSTILE:
        draw(result(windows=3, **{field: value}), kind)
    without = result(windows=3)
    without.pop(field, None)
    draw(without, kind)


@pytest.mark.slow
@pytest.mark.parametrize("field", FIELDS)
def test_a_field_of_another_kind_is_drawn_or_refused(field: str) -> None:
    for kind, value in zip(DRAWN, in_turn(FIELDS.index(field), 2), strict=True):
        draw(result(windows=3, **{field: value}), kind)
    without = result(windows=3)
    without.pop(field, None)
    draw(without, "html")


@pytest.mark.slow
@pytest.mark.parametrize("part", [*SEGMENT])
def test_a_segment_of_another_kind_is_drawn_or_refused(part: str) -> None:
    for kind, value in zip(DRAWN, in_turn([*SEGMENT].index(part), 2), strict=True):
        draw(result(windows=3, segments=[{**SEGMENT, part: value}]), kind)


@pytest.mark.slow
@pytest.mark.parametrize("part", [*TRACK])
def test_a_track_of_another_kind_is_drawn_or_refused(part: str) -> None:
    for value in in_turn([*TRACK].index(part), 2):
        draw(result(windows=3, tracks=[{**TRACK, part: value}]), "html")


@pytest.mark.slow
def test_stills_that_are_none_are_left_out() -> None:
    for jpeg in ("", "?", "/9j/", "A" * 1000, None, 5):
        frames = [{"time": 1.0, "track": 0, "jpeg": jpeg}]
        draw(result(windows=3, frames=frames), "html")
        draw(result(windows=3, frames=frames), "pdf")


@pytest.mark.parametrize("rows", [[[1.0] * 30], [[1.0] * 31, [1.0]], [["x"] * 31], [[1e400] * 31]])
def test_rows_that_are_no_delays_are_refused(rows: list[Any]) -> None:
    with pytest.raises(RefusedError):
        rendered(json.dumps({"result": result(delays=rows), "file": "a", "format": "csv"}).encode())
