"""Segments that are told before the answer: in a file that somebody has made who wants them."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest

from outofsync import segment_file
from outofsync.progress import Progress
from outofsync.segment_file import SUFFIX, SegmentFile, segments_of


def segment(start: float, track: int = 0, **values: Any) -> dict[str, Any]:
    return {"start": start, "end": start + 2, "track": track, "score": 1.0, "preliminary": True, **values}


@pytest.fixture
def name(tmp_path: Path) -> str:
    name = secrets.token_hex(16)
    for path in (tmp_path / name, tmp_path / f"{name}{SUFFIX}"):
        path.touch(0o600)
    return name


def told(folder: Path, name: str) -> list[dict[str, Any]]:
    return segments_of((folder / f"{name}{SUFFIX}").read_bytes())


def test_what_is_told_grows_and_is_in_order_of_time(tmp_path: Path, name: str) -> None:
    file = Progress.open(tmp_path, name).segments
    assert file.wanted
    assert told(tmp_path, name) == []
    file.tell([segment(2.0), segment(0.0)])
    file.tell([segment(4.0, 1), segment(4.0)])
    assert [(one["start"], one["track"]) for one in told(tmp_path, name)] == [(0, 0), (2, 0), (4, 0), (4, 1)]


def test_what_is_told_again_takes_the_place_of_what_was_said(tmp_path: Path, name: str) -> None:
    file = SegmentFile.open(tmp_path, name)
    file.tell([segment(0.0), segment(2.0)])
    file.tell([segment(2.0, preliminary=False)])
    assert [one["preliminary"] for one in told(tmp_path, name)] == [True, False]
    file.tell([segment(1.0)], anew=True)
    assert [one["start"] for one in told(tmp_path, name)] == [1.0]


def test_nobody_is_told_who_has_made_no_file(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}{SUFFIX}").unlink()
    progress = Progress.open(tmp_path, name)
    assert not progress.segments.wanted
    progress.segments.tell([segment(0.0)])
    progress.close()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_link_is_not_followed(tmp_path: Path, name: str) -> None:
    other = secrets.token_hex(16)
    (tmp_path / f"{other}{SUFFIX}").symlink_to(tmp_path / f"{name}{SUFFIX}")
    SegmentFile.open(tmp_path, other).tell([segment(0.0)])
    assert told(tmp_path, name) == []


def test_it_is_bounded(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_file, "MOST_BYTES", 1000)
    file = SegmentFile.open(tmp_path, name)
    for number in range(100):
        file.tell([segment(float(number))])
    assert 0 < (tmp_path / f"{name}{SUFFIX}").stat().st_size <= 1000


@pytest.mark.parametrize(
    "cut", [b'{"anew": false, "segm', b"[]", b"null", b"\xff\xfe", b'{"anew": false, "segments": [1]}']
)
def test_half_a_line_does_no_harm(tmp_path: Path, name: str, cut: bytes) -> None:
    SegmentFile.open(tmp_path, name).tell([segment(0.0)])
    with (tmp_path / f"{name}{SUFFIX}").open("ab") as file:
        file.write(cut)
    assert [one["start"] for one in told(tmp_path, name)] == [0.0]
