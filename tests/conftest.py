"""Fixtures that every kind of test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest_plugins = ["server_fixture", "edge_fixture"]

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of shared data beside the checkout (or OUTOFSYNC_SHARED); skips where there is none."""
    folder = Path(os.environ.get("OUTOFSYNC_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"the shared data folder {folder} is not there")
    return folder
