"""In which browser a page is shown, if in any."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import pytest

from serving import browser


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a screen, on which nothing was looked up yet."""
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(webbrowser, "_tryorder", None)
    monkeypatch.setattr(webbrowser, "_browsers", {})


def program(folder: Path, name: str) -> Path:
    """A browser that notes the address it is to show."""
    path = folder / name
    path.write_text(f'#!/bin/sh\necho "$1" > {folder}/shown\n')
    path.chmod(0o700)
    return path


def test_without_a_screen_nothing_is_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program(tmp_path, "xdg-open")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not browser.show("http://127.0.0.1:1/")


@pytest.mark.parametrize("name", sorted(browser.TEXT_BROWSERS))
def test_no_browser_takes_the_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    monkeypatch.setenv("BROWSER", str(program(tmp_path, name)))
    assert not browser.show("http://127.0.0.1:1/")


def test_the_readers_own_choice_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BROWSER", str(program(tmp_path, "helper")))
    assert browser.show("http://127.0.0.1:1/")
    while not (tmp_path / "shown").exists() or not (tmp_path / "shown").read_text():
        pass
    assert (tmp_path / "shown").read_text().strip() == "http://127.0.0.1:1/"
