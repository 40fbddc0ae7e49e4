"""Set-up says what stands in its way, and does its work once."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from serving import bootstrap


@pytest.mark.parametrize("found", ["3.9", "3.10", "3.14"])
def test_another_python_is_a_sentence(monkeypatch: pytest.MonkeyPatch, found: str) -> None:
    monkeypatch.setattr(sys, "version_info", (*map(int, found.split(".")), 1))
    sentence = rf"needs Python 3\.11 to 3\.13, .* is {re.escape(found)};.*make PYTHON="
    with pytest.raises(bootstrap.SetupError, match=sentence):
        bootstrap.check_python()


@pytest.mark.parametrize("found", [(3, 11, 2), (3, 12, 3), (3, 13, 5)])
def test_these_pythons_do(monkeypatch: pytest.MonkeyPatch, found: tuple[int, ...]) -> None:
    monkeypatch.setattr(sys, "version_info", found)
    bootstrap.check_python()


def test_a_full_disk_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10**9))
    with pytest.raises(bootstrap.SetupError, match=r"needs 7 GB, and .* has 1\.0 GB free"):
        bootstrap.check_disk(tmp_path)


def test_a_step_that_fails_is_named() -> None:
    with pytest.raises(bootstrap.SetupError, match=r"this step failed.*make again"):
        bootstrap.call(sys.executable, "-c", "raise SystemExit(1)")


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The steps that would be run, on a machine that has room for them."""
    taken: list[str] = []
    monkeypatch.setattr(bootstrap, "call", lambda *words: taken.append(" ".join(map(str, words))))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10**11))
    return taken


def test_each_environment_is_made_once(steps: list[str], tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    environment.mkdir()
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("one")
    bootstrap.set_up(environment, requirements)
    assert any("--require-hashes" in step for step in steps)
    steps.clear()
    bootstrap.set_up(environment, requirements)
    assert steps == []
    requirements.write_text("two")
    bootstrap.set_up(environment, requirements)
    assert any("venv --clear" in step for step in steps)


def test_a_changed_package_is_installed_into_the_same_environment(
    steps: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for package in bootstrap.PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "pyproject.toml").write_text("one")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("one")
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    bootstrap.set_up(tmp_path, requirements)
    steps.clear()
    (tmp_path / "client" / "pyproject.toml").write_text("two")
    bootstrap.set_up(tmp_path, requirements)
    assert len(steps) == len(bootstrap.PACKAGES)
    assert all("--no-deps" in step for step in steps)


def test_the_command_sets_up_or_says_why_not(
    steps: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("one")
    words = ["--environment", str(tmp_path), "--requirements", str(requirements)]
    monkeypatch.setattr(sys, "argv", ["bootstrap", *words])
    assert bootstrap.main() == 0
    assert any(str(requirements) in step for step in steps)
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    assert bootstrap.main() == 1
    assert "-venv" in capsys.readouterr().err


def test_older_pythons_can_read_it() -> None:
    """A wrong Python must get the sentence, not a syntax error."""
    source = Path(bootstrap.__file__).read_text()
    script = f"import ast; ast.parse({source!r}, feature_version=(3, 6))"
    subprocess.run([sys.executable, "-c", script], check=True)
