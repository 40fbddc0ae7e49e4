"""Fixtures that every kind of test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest_plugins = ["server_fixture", "edge_fixture", "shared_servers"]

# Whoever runs the tests may have a key of their own: it neither signs the tests' archives nor is asked for.
os.environ["OUTOFSYNC_KEYS"] = ""

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a graphics card where there is none."""
    if item.get_closest_marker("gpu") is None:
        return
    import torch  # takes seconds, which runs without such tests are spared

    if not torch.cuda.is_available():
        pytest.skip("no GPU")


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of shared data beside the checkout (or OUTOFSYNC_SHARED); skips where there is none."""
    folder = Path(os.environ.get("OUTOFSYNC_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"the shared data folder {folder} is not there")
    return folder
