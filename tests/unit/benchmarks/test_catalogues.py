"""The measure of a catalogue's run: rates, growth, and what is lost, there twice or other than it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.catalogue import KINDS, catalogue
from benchmarks.runs import Run, compared

WANTED = {"aa": "/a.mp4", "bb": "/b.mp4"}


def written(folder: Path, lines: Sequence[str], rows: Sequence[str], places: Sequence[str]) -> Path:
    """A run's folder with these contents in its lines and rows, and these places."""
    for name in ("results", "videos", "sources"):
        (folder / name).mkdir()
    results = [{"uri": "", "sha256": sha256, "score": 1.0, "timing_ms": {}} for sha256 in lines]
    (folder / "results" / "part-1.jsonl").write_text("".join(json.dumps(one) + "\n" for one in results))
    pq.write_table(pa.table({"sha256": list(rows)}), folder / "videos" / "part-1.parquet")
    pq.write_table(pa.table({"uri": list(places)}), folder / "sources" / "part-1.parquet")
    return folder


@pytest.mark.parametrize(
    ("lines", "rows", "places", "found"),
    [
        (["aa", "bb"], ["aa", "bb"], ["/a.mp4", "/b.mp4"], (0, 0, 0)),
        (["aa"], ["aa", "bb"], ["/a.mp4", "/b.mp4"], (1, 0, 0)),
        (["aa", "bb"], ["aa", "bb"], ["/a.mp4"], (1, 0, 0)),
        (["aa", "bb"], ["aa", "bb", "bb"], ["/a.mp4", "/b.mp4"], (0, 1, 0)),
        (["aa", "bb", "cc"], ["aa", "bb", "cc"], ["/a.mp4", "/b.mp4"], (0, 0, 1)),
    ],
)
def test_what_is_lost_or_doubled_is_counted(
    tmp_path: Path,
    lines: Sequence[str],
    rows: Sequence[str],
    places: Sequence[str],
    found: tuple[int, int, int],
) -> None:
    counts = compared(written(tmp_path, lines, rows, places), WANTED, {})
    assert (counts["lost"], counts["doubled"], counts["foreign"]) == found


def test_results_are_compared_without_their_times(tmp_path: Path) -> None:
    folder = written(tmp_path, ["aa", "bb"], ["aa", "bb"], ["/a.mp4", "/b.mp4"])
    known = {"aa": {"score": 1.0, "timing_ms": {"decode": 1.0}}, "bb": {"score": 2.0}}
    counts = compared(folder, WANTED, known)
    assert (counts["compared"], counts["unequal"]) == (2, 1)


def test_rates_and_growth_of_a_run() -> None:
    run = Run(
        seconds=110.0,
        rows=[(0.0, 0), *((10.0 + at, at) for at in range(10, 101, 10))],
        memory_mb=[(float(at), 100.0 + at) for at in range(111)],
    )
    assert run.per_s == pytest.approx(100 / 110)
    assert run.steady_per_s() == pytest.approx(1.0)
    assert run.steady_per_s(until=50) == pytest.approx(1.0)
    assert run.growth() == pytest.approx(205.5 / 164.5 - 1)
    assert Run(seconds=1.0, rows=[(1.0, 4)]).steady_per_s() is None


@pytest.mark.slow
def test_no_two_files_of_a_catalogue_are_alike(tmp_path: Path) -> None:
    wanted = catalogue(tmp_path, 2 * KINDS)
    assert len(wanted) == 2 * KINDS
    for sha256, path in wanted.items():
        assert hashlib.sha256(Path(path).read_bytes()).hexdigest() == sha256
    assert catalogue(tmp_path, 2 * KINDS) == wanted
