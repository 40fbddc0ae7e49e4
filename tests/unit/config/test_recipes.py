"""What service managers and container engines are told, as far as it can be checked without them."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from serving.settings import ROOT

UNITS = sorted((ROOT / "config" / "systemd").glob("*.service"))
RECIPE = (ROOT / "config" / "container" / "Containerfile").read_text().replace("\\\n", " ")


def unit(path: Path) -> ConfigParser:
    parser = ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(path)
    return parser


def knows_options(module: str, words: list[str]) -> None:
    """Every option in the words is one of the module's."""
    usage = subprocess.run(
        [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for option in (word for word in words if word.startswith("--")):
        assert re.search(rf"{option}\b", usage.stdout), f"{module} has no option {option}"


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
@pytest.mark.slow
def test_a_unit_runs_what_there_is_as_an_ordinary_user(path: Path) -> None:
    service = unit(path)["Service"]
    program, _, module, *words = shlex.split(service["ExecStart"])
    assert program.endswith(".venv/bin/python")
    knows_options(module, words)
    assert service["User"] == "outofsync"
    assert service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["Type"] == "notify"


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_systemd_understands_a_unit(path: Path, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is missing (it is part of systemd)")
    here = tmp_path / path.name  # a program that exists, since nothing is installed under /opt here
    here.write_text(path.read_text().replace("/opt/outofsync/.venv/bin/python", sys.executable))
    done = subprocess.run([analyze, "verify", str(here)], capture_output=True, text=True, check=False)
    assert not [line for line in done.stderr.splitlines() if path.name in line]


def test_the_image_copies_what_there_is() -> None:
    for words in re.findall(r"^COPY (?!--from)(.+)$", RECIPE, re.MULTILINE):
        *sources, _ = words.split()
        for source in sources:
            assert (ROOT / source).exists(), source


def test_the_image_serves_as_an_ordinary_user() -> None:
    final = RECIPE[RECIPE.rindex("FROM ") :]
    assert re.search(r"^USER 10001:10001$", final, re.MULTILINE)
    entry = re.search(r"^ENTRYPOINT (\[.+\])$", final, re.MULTILINE)
    assert entry
    _, _, module, *words = [word.strip(' "') for word in entry[1].strip("[]").split(",")]
    knows_options(module, words)
    assert "--require-hashes" in RECIPE
    assert not re.search(r"FROM \S+:latest", RECIPE)
