"""A short soak of a real server, from end to end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import soak
from benchmarks.vitals import UNKNOWN


@pytest.mark.server
def test_a_short_soak(small_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numbers = tmp_path / "soak.json"
    words = ["--minutes", "0.2", "--busy", "0.9", "--every", "1", "--model-store", str(small_store)]
    soak.main([*words, "--json", str(numbers)])
    told = capsys.readouterr().out
    assert UNKNOWN in told
    assert "unexpected outcomes: none" in told
    found = json.loads(numbers.read_text())["results"]
    assert list(found["restarts"]) == ["supervisor", "java", "deblur", "ensemble", "gateway"]
    assert set(found["restarts"].values()) == {0}
    assert len(found["samples"]) >= 5
    assert found["calls"]
    assert numbers.with_suffix(".png").stat().st_size > 10_000
