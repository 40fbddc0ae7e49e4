"""Which files run in one process where several run side by side: those whose tests share a server.

A server takes a gigabyte and many seconds to start, and each process starts its own.
"""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

SHARED = {
    "tests/e2e/web/": "page",
    "tests/e2e/edge/": "edge",
    "tests/integration/edge/": "edge",
    "tests/integration/hardening/test_hardening.py": "edge",
    "tests/integration/cluster/": "ray",
    "tests/integration/compatibility/": "site",
    "tests/integration/test_access.py": "server",
    "tests/integration/test_measures.py": "server",
    "tests/integration/test_same_as_engine.py": "server",
    "tests/integration/test_workflow.py": "server",
    "tests/robustness/server/": "small server",
}


class SharedServerScheduling(LoadFileScheduling):  # type: ignore[misc]
    """Hands out files, and those that share a server together."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return next((server for start, server in SHARED.items() if file.startswith(start)), file)


@pytest.hookimpl
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> SharedServerScheduling | None:
    """For ``--dist loadfile``."""
    return SharedServerScheduling(config, log) if config.getoption("dist") == "loadfile" else None
