"""``outofsync doctor`` and ``outofsync completion``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import Result
from command_runner import outofsync
from unit.client.conftest import TOKEN

from outofsync_client.cli.doctor import confinement, find_project

if TYPE_CHECKING:
    from unit.client.conftest import StubServer


def doctor(*words: str) -> Result:
    return outofsync("doctor", "--retries", "0", *words)


def test_all_is_well(server: StubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    server.refuses("empty_file")
    result = doctor("--url", server.url, "--token", TOKEN)
    assert result.exit_code == 0, result.output
    assert "not a checkout" in result.output
    assert "answers after" in result.output
    assert TOKEN not in result.output


def test_what_is_not_well_is_named_with_its_cure(
    server: StubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("archives/build.py", "serving/__main__.py"):
        path = tmp_path / name
        path.parent.mkdir()
        path.touch()
    result = doctor("--url", server.url, "--token", "wrong")
    assert result.exit_code == 3
    for words in ("make setup", "make archives", "does not accept the token"):
        assert words in result.output


@pytest.mark.parametrize(("status", "shown"), [(0, "confined by"), (1, "Serve on Linux 5.13")])
def test_the_servers_environment_is_asked_how_decoders_are_confined(
    tmp_path: Path, status: int, shown: str
) -> None:
    environment = tmp_path / "python"
    environment.write_text(f"#!/bin/sh\necho decoders are confined by this and that; exit {status}\n")
    environment.chmod(0o755)
    finding = confinement(environment)
    assert finding.ok is (status == 0)
    assert shown in f"{finding.detail} {finding.fix}"


def test_without_a_server_it_says_how_to_name_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("OUTOFSYNC_URL", "OUTOFSYNC_TOKEN", "OUTOFSYNC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert "no server is named" in doctor().output


def test_this_is_a_checkout() -> None:
    root = Path(__file__).parents[3]
    assert find_project(root / "tests" / "unit") == root


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_learn_to_complete(shell: str) -> None:
    result = outofsync("completion", shell)
    assert result.exit_code == 0
    assert "_OUTOFSYNC_COMPLETE" in result.output
