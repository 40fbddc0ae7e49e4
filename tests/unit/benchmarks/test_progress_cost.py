"""What telling costs is measured for real, and judged with the same nodes that serve."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import progress_cost


@pytest.mark.slow
def test_every_way_of_telling_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = tmp_path / "cost.json"
    assert progress_cost.main(["--seconds", "2", "--rounds", "1", "--json", str(found)]) == 0
    taken = json.loads(found.read_text())["results"]
    assert list(taken) == list(progress_cost.TOLD)
    assert all(seconds > 0 for rounds in taken.values() for one in rounds for seconds in one)
    assert "more than nothing" in capsys.readouterr().out
