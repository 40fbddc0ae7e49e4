"""Speed on a card, tried on a processor: what is counted, and that every kind of work runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from untrained import write_checkpoints

from benchmarks import gpu, precision
from outofsync.synchrony.published import PublishedConfig


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Untrained networks in place of the shipped ones, and one round."""
    monkeypatch.setattr(precision, "CHECKPOINTS", write_checkpoints(tmp_path))
    monkeypatch.setattr(gpu, "ROUNDS", 1)


@pytest.mark.usefixtures("small")
@pytest.mark.slow
def test_every_work_is_measured_and_what_shares_passes_in_every_batch() -> None:
    measured = list(gpu.speeds("cpu", (1, 2), 12, 64, PublishedConfig(width=32, depth=1)))
    assert [(speed.work, speed.precision, speed.batch) for speed in measured] == [
        ("default", "float32", 1),
        ("default", "float32", 2),
        ("default", "half", 1),
        ("default", "half", 2),
        ("face", "float32", 1),
        ("published network", "float32", 1),
        ("published schedule", "float32", 1),
    ]
    for speed in measured:
        assert speed.real_time == pytest.approx(speed.clips_per_s * 12 / 25)
        assert speed.share_of_card > 0
    # The published schedule does the same work many times over.
    *_, ours, published = (speed.teraflops / speed.clips_per_s for speed in measured)
    assert published > 10 * ours


def test_operations_are_multiplications_and_additions() -> None:
    clip = gpu.made_up_clip(5)
    assert gpu.operations(lambda _: torch.ones(3, 4) @ torch.ones(4, 5), clip) == 2 * 3 * 4 * 5


def test_the_fastest_round_counts() -> None:
    assert 0 < gpu.fastest(lambda: torch.ones(3).sum(), "cpu", 2) < 60


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")
def test_without_a_card_only_accuracy_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = [precision.Difference("bfloat16", 2, 0.01, 0.002, 0.0005, True)]
    monkeypatch.setattr(gpu, "differences", lambda *_: found)
    gpu.main(["--json", str(tmp_path / "gpu.json")])
    assert "No GPU was found, so no speed was measured." in capsys.readouterr().out
    results = json.loads((tmp_path / "gpu.json").read_text())["results"]
    assert results["speeds"] == []
    assert results["differences"][0]["precision"] == "bfloat16"
