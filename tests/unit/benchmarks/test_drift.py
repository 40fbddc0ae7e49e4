"""The drift table: what is compared with what, and what a run remembers of those before."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from untrained import write_checkpoints

from benchmarks import drift
from benchmarks.alterations import ALTERATIONS, UNCHANGED
from benchmarks.drift import Answer, Drift, clips_of, on_grid, rows_of
from training.evaluation.degradations import Footage

FIRST = ALTERATIONS[0]


def answers(*pairs: tuple[Answer, Answer]) -> dict[drift.Asked, Answer]:
    """Of clips coded again, and written in the first way."""
    found: dict[drift.Asked, Answer] = {}
    for number, (base, altered) in enumerate(pairs):
        found |= {(Path(str(number)), UNCHANGED): base, (Path(str(number)), FIRST): altered}
    return found


def test_a_row_counts_what_moved_and_what_is_judged_no_more() -> None:
    base, another = (Answer("real", 0.1, 0, {"synchrony": share}) for share in (0.1, 0.9))
    row = rows_of(
        answers(
            (base, Answer("real", 0.12, 0)),
            (base, Answer("real", 0.10, 1)),
            (another, Answer("real", 0.13, 5)),  # nothing fits at any offset
            (base, Answer("inconclusive")),
            (Answer("no_audio"), Answer("no_audio")),  # never judged: says nothing
        )
    )[0]
    assert (row.median, row.largest) == (0.02, 0.03)
    assert (len(row.changes), row.offset_moved, row.not_judged, row.within) == (3, 1, 1, False)


@pytest.mark.parametrize(
    ("changes", "within"), [((0.01, 0.015), True), ((0.0, 0.11), False), ((0.03,), False)]
)
def test_limits_are_of_the_median_and_the_largest(changes: tuple[float, ...], within: bool) -> None:
    pairs = [(Answer("real", 0.5, 0), Answer("real", 0.5 + change, 0)) for change in changes]
    assert rows_of(answers(*pairs))[0].within is within


def test_pictures_of_another_rate_are_brought_to_the_grid_first() -> None:
    pictures = [np.full((2, 2, 3), number, np.uint8) for number in range(30)]
    footage = on_grid(Footage(pictures, [n / 30 for n in range(30)], np.zeros(16_000, np.int16), 16_000))
    assert footage.times == [n / 25 for n in range(25)]
    assert [int(one[0, 0, 0]) for one in footage.pictures[:6]] == [0, 1, 2, 4, 5, 6]


def test_clips_are_of_val_alone_and_of_as_many_kinds_as_there_are(tmp_path: Path) -> None:
    (folder := tmp_path / "clips").mkdir()
    rows = [
        ("a1", "val", "real", "", "A", 6),
        ("a2", "val", "real", "", "A", 6),
        ("b1", "val", "real", "", "B", 6),
        ("c1", "test", "real", "", "C", 6),
        ("d1", "val", "real", "", "D", 4),
        ("m1", "val", "fake", "M", "A", 6),
        ("m2", "val", "fake", "M", "A", 6),
        ("n1", "val", "fake", "N", "A", 6),
    ]
    with (folder / "clips.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerows([("file", "split", "label", "generator", "source", "seconds"), *rows])
    for name, *_ in rows:
        (folder / name).touch()
    ours = len(clips_of(tmp_path / "nowhere", 100))
    assert [path.name for path in clips_of(tmp_path, 100)[ours:]] == ["a1", "m1", "b1", "n1", "a2", "m2"]


def test_what_is_known_is_not_judged_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even after a run that was cut off in the middle of a line; other weights ask for all of it."""
    (clip := tmp_path / "clip.mp4").write_bytes(b"video")
    weights, kept = write_checkpoints(tmp_path / "weights"), tmp_path / "kept.jsonl"
    asked: list[str] = []

    def judged(self: Drift, missing: list[drift.Asked], processes: int) -> Any:  # noqa: ARG001
        for one in missing:
            asked.append(one[1].name)
            yield one, Answer("real", 0.1, 0, {"face": 0.1})

    monkeypatch.setattr(Drift, "_judged", judged)
    first = Drift(weights, kept).answers([clip])
    assert len(asked) == len(ALTERATIONS) + 1
    lines = kept.read_text().splitlines()
    kept.write_text("\n".join([*lines[:-1], lines[-1][:20]]))
    asked.clear()
    assert Drift(weights, kept).answers([clip]) == first
    assert asked == [json.loads(lines[-1])["what"]]
    asked.clear()
    assert Drift(weights, kept).answers([clip]) == first
    assert asked == []
    (weights / "sync.safetensors").write_bytes(b"others")
    Drift(weights, kept).answers([clip])
    assert len(asked) == len(ALTERATIONS) + 1
