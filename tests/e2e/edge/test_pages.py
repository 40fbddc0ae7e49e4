"""The static pages in a real browser."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from browser import FLAGS, chromium
from edge_fixture import LiveEdge

from gateway.openapi import DOCUMENT

pytestmark = pytest.mark.server

DUMPING = [
    "--headless",
    "--ignore-certificate-errors",
    "--enable-logging=stderr",
    "--v=0",
    "--virtual-time-budget=15000",
    "--dump-dom",
]


def opened(url: str, folder: Path) -> tuple[str, str]:
    """The page's elements once its scripts have run, and what the browser complained of."""
    command = [chromium(), *FLAGS, *DUMPING, f"--user-data-dir={folder}", url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, "\n".join(complaints)


def test_the_first_page_says_what_this_is(edge: LiveEdge, tmp_path: Path) -> None:
    page, complaints = opened(f"{edge.url}/", tmp_path)
    assert "OutOfSync" in page
    assert "&quot;key_required&quot;: true" in page
    assert complaints == "", "nothing that its content security policy forbids, above all"


def test_the_reference_shows_every_operation(edge: LiveEdge, tmp_path: Path) -> None:
    page, complaints = opened(f"{edge.url}/reference/", tmp_path)
    for path, operations in DOCUMENT["paths"].items():
        assert f'data-path="{path}"' in page
        for method, operation in operations.items():
            assert method == "parameters" or operation["summary"] in page
    assert complaints == ""
