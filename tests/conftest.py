"""Fixtures that every kind of test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest_plugins = ["server_fixture", "edge_fixture"]

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share a server run in one process (``--dist loadgroup``); others keep to their file's."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            shares = (item.path.parent / "conftest.py").exists()
            item.add_marker(pytest.mark.xdist_group(str(item.path.parent if shares else item.path)))


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
