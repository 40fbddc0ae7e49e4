"""Two versions compared: on files, and in what the gateway wrote down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pretended_torchserve import NEW, OWN, Site

from serving.rollout import Prediction


@pytest.fixture(autouse=True)
def registered(site: Site) -> None:
    site.built(NEW, "ensemble")
    site.models.register(NEW)


def line(verdict: str, probability: float | None, *, candidate: str = NEW) -> str:
    promoted = {"pipeline": OWN, "verdict": "real", "probability_fake": 0.1, "score": 1.0}
    other: dict[str, Any] = {"pipeline": candidate, "verdict": verdict, "probability_fake": probability}
    return json.dumps({"id": "file", "promoted": promoted, "candidate": {**other, "score": None}}) + "\n"


def test_both_judge_each_file(site: Site, tmp_path: Path) -> None:
    files = [tmp_path / "one.mp4", tmp_path / "two.mp4"]
    for file in files:
        file.write_bytes(b"video")
    comparison = site.models.compare(NEW, files)
    assert [pair.file for pair in comparison.pairs] == ["one.mp4", "two.mp4"]
    assert comparison.agreeing == 2
    assert comparison.differences == [0.0, 0.0]


def test_a_version_that_cannot_judge_a_file_disagrees(site: Site, tmp_path: Path) -> None:
    site.torchserve.mute.add(NEW)
    (tmp_path / "one.mp4").write_bytes(b"video")
    (pair,) = site.models.compare(NEW, [tmp_path / "one.mp4"]).pairs
    assert pair.candidate == Prediction("error:unexpected_answer", None, None)
    assert not pair.agrees
    assert pair.difference is None


def test_shadow_traffic_is_summed_up_from_both_logs(site: Site) -> None:
    (site.state / "shadow.jsonl.1").write_text(line("real", 0.3))
    (site.state / "shadow.jsonl").write_text(line("fake", 0.9) + line("error:busy", None))
    comparison = site.models.compare(NEW)
    assert (len(comparison.pairs), comparison.agreeing) == (3, 1)
    assert comparison.differences == pytest.approx([0.2, 0.8])


def test_other_versions_and_broken_lines_are_left_out(site: Site) -> None:
    broken = '{"half a li\n[]\n{"promoted": 1, "candidate": 2}\n'
    (site.state / "shadow.jsonl").write_text(broken + line("real", 0.1, candidate="3.0") + line("real", 0.1))
    assert len(site.models.compare(NEW).pairs) == 1


def test_without_shadow_traffic_there_is_nothing_to_compare(site: Site) -> None:
    assert site.models.compare(NEW).pairs == ()
