"""docs/threats.md: every threat names a test that is there, or says plainly that none is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from serving.settings import ROOT

PAGE = ROOT / "docs" / "threats.md"
TEST = re.compile(r"`(tests/[\w/]+\.py)`")


def threats() -> list[tuple[str, str]]:
    """Each threat, and what stands in its last column."""
    section = PAGE.read_text(encoding="utf-8").partition("\n## Threats\n")[2]
    rows = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return [(row[0].strip(), row[-1].strip()) for row in rows if row[-1].strip() != "test"]


@pytest.mark.parametrize(("threat", "held_by"), threats(), ids=lambda words: words[:60])
def test_a_threat_has_a_test_or_an_honest_gap(threat: str, held_by: str) -> None:
    tests = TEST.findall(held_by)
    assert bool(tests) != held_by.startswith("gap: "), f"{threat}: a test, or a gap, and not both"
    for name in tests:
        path = ROOT / name
        assert path.is_file(), f"{name} is not there"
        assert "\ndef test_" in path.read_text(encoding="utf-8"), f"{name} tests nothing"


def test_there_is_a_row_for_every_kind_and_the_page_is_found() -> None:
    assert len(threats()) > 30
    assert "docs/threats.md" in (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert re.search(r"^threats$", (ROOT / "docs" / "index.md").read_text(encoding="utf-8"), re.MULTILINE)


def test_every_room_of_hostile_tests_is_named() -> None:
    """What somebody adds under tests/robustness belongs to a threat."""
    named = set(TEST.findall(PAGE.read_text(encoding="utf-8")))
    there = {str(path.relative_to(ROOT)) for path in Path(ROOT / "tests" / "robustness").rglob("test_*.py")}
    assert there <= named
