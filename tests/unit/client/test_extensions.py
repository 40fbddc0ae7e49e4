"""What other packages add, and what there is without them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from command_runner import outofsync

from outofsync_client import Client, extensions

Groups = Mapping[str, tuple[EntryPoint, ...]]


def installed(monkeypatch: pytest.MonkeyPatch, groups: Groups) -> None:
    """These entry points alone, as Python 3.9 has them."""
    monkeypatch.setattr(extensions, "entry_points", lambda: groups)


def test_without_a_server_there_is_no_version_to_roll_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed(monkeypatch, {})
    assert outofsync("models", "list").exit_code == 3
    assert "models" not in outofsync("--help").output
    with Client.of_state(tmp_path) as client, pytest.raises(ValueError, match="not installed here"):
        _ = client.models


def test_a_command_is_added_and_imported_once_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    there = EntryPoint("twice", "outofsync_client.cli.main:detect", extensions.COMMANDS)
    broken = EntryPoint("broken", "nowhere.at:all", extensions.COMMANDS)
    installed(monkeypatch, {extensions.COMMANDS: (there, broken)})
    assert "Judge videos" in outofsync("twice", "--help").output
    assert outofsync("health", "--help").exit_code == 0


def test_a_name_of_our_own_is_not_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = EntryPoint("detect", "nowhere.at:all", extensions.COMMANDS)
    installed(monkeypatch, {extensions.COMMANDS: (taken,)})
    assert "Judge videos" in outofsync("detect", "--help").output
