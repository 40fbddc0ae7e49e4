"""Nothing is written twice: no ten lines of code in a row stand in two places."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from pylint.checkers.symilar import Symilar

from serving.settings import ROOT

SEARCHED = (
    "archives",
    "benchmarks",
    "client/src",
    "docs",
    "gateway",
    "handlers",
    "samples",
    "serving",
    "tests",
    "training",
)
LINES = 10
# handlers/ travels without the client; test_agreement.py holds the two lists together.
ERROR_CODES = {"client/src/outofsync_client/protocol/__init__.py", "handlers/outofsync/errors.py"}


def doubled(files: Iterable[Path], root: Path, capsys: pytest.CaptureFixture[str]) -> list[set[str]]:
    """For each block that stands in several places, the files it stands in."""
    search = Symilar(
        min_lines=LINES - 1, ignore_comments=True, ignore_docstrings=True
    )  # it reports longer ones
    for file in files:
        with file.open(encoding="utf-8") as text:
            search.append_stream(str(file.relative_to(root)), text)
    search.run()
    blocks = re.split(r"^\d+ similar lines in .*$", capsys.readouterr().out, flags=re.MULTILINE)[1:]
    return [set(re.findall(r"^==(.+):\[\d+:\d+\]$", block, flags=re.MULTILINE)) for block in blocks]


def test_no_block_of_ours_stands_twice(capsys: pytest.CaptureFixture[str]) -> None:
    files = sorted(file for folder in SEARCHED for file in (ROOT / folder).rglob("*.py"))
    assert len(files) > 500
    assert doubled(files, ROOT, capsys) == [ERROR_CODES]


@pytest.mark.parametrize(("lines", "found"), [(LINES, [{"one.py", "two.py"}]), (LINES - 1, [])])
def test_a_doubled_block_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: int, found: list[set[str]]
) -> None:
    block = "".join(f"value_{number} = work({number})\n" for number in range(lines))
    files = [tmp_path / "one.py", tmp_path / "two.py"]
    for file in files:
        file.write_text(f"name = '{file.stem}'\n{block}last = '{file.stem}'\n")
    assert doubled(files, tmp_path, capsys) == found
