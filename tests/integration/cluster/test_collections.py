"""A collection laid out as DFDC is planned, scored with a copy in it, and told in tables, on a real Ray."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from integration.cluster.test_cluster import score, table

from benchmarks.footage import footage

SIDE = 360


@pytest.fixture
def dfdc(tmp_path: Path) -> Path:
    """Two genuine videos and two fakes; one of the latter is another with a box of no meaning at its end."""
    folder = tmp_path / "dfdc" / "dfdc_train_part_0"
    folder.mkdir(parents=True)
    contents = {f"{number}.mp4": footage(1.6 + 0.2 * number, SIDE, SIDE) for number in range(3)}
    contents["copy.mp4"] = contents["2.mp4"] + struct.pack(">I4s", 8, b"free")
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    facts = {"0.mp4": {"label": "REAL"}, "1.mp4": {"label": "REAL"}}
    facts |= {
        "2.mp4": {"label": "FAKE", "original": "0.mp4"},
        "copy.mp4": {"label": "FAKE", "original": "1.mp4"},
    }
    (folder / "metadata.json").write_text(json.dumps(facts))
    return folder.parent


def test_a_collection_is_planned_and_then_scored(dfdc: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    words = ("--benchmark", "dfdc", "--near-duplicates", "skip", "--price-per-core-hour", "0.04")
    told = score(str(dfdc), str(output), *words, "--plan")
    assert "4 (4 of them measured)" in told
    plan = json.loads((output / "plan.json").read_text())
    assert plan["bytes_read"] == sum(path.stat().st_size for path in dfdc.rglob("*.mp4"))
    assert plan["estimates"]["cpu_s"]["value"] > 0
    assert plan["estimates"]["cost"]["value"] > 0

    told = score(str(dfdc), str(output), *words)
    assert "3 judged, 0 failed, 1 met again" in told
    assert "core-seconds at work: " in told
    assert ", planned " in told
    assert "every fake  2" in told
    assert len(table(output, "videos")) == 3
    sources = {Path(row["uri"]).name: row for row in table(output, "sources")}
    assert sources["2.mp4"]["key"] == sources["copy.mp4"]["key"]
    rows = json.loads((output / "benchmark.json").read_text())["rows"]
    assert [(row["category"], row["videos"], row["unjudged"]) for row in rows] == [
        ("every fake", 2, 0),
        ("fake", 2, 0),
    ]
