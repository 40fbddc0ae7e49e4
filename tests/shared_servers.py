"""Which files run in one process where several run side by side, and which are not left for the end.

A server takes a gigabyte and many seconds to start, and each process starts its own: those whose tests
share one stay together.
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
    "tests/integration/test_own_door.py": "server",
    "tests/integration/test_same_as_engine.py": "server",
    "tests/integration/test_workflow.py": "server",
    "tests/robustness/server/": "small server",
}

# Few tests that take minutes: what begins last is waited for by all.
LONG = (
    "tests/integration/pythons/",
    "tests/e2e/documentation/",
    "tests/e2e/test_readme.py",
    "tests/integration/test_calibration.py",
)


class SharedServerScheduling(LoadFileScheduling):  # type: ignore[misc]
    """Hands out files, those that share a server together, and those that take long before others."""

    def schedule(self) -> None:
        super().schedule()
        for start in reversed(LONG):
            for scope in [scope for scope in self.workqueue if scope.startswith(start)]:
                self.workqueue.move_to_end(scope, last=False)

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return next((server for start, server in SHARED.items() if file.startswith(start)), file)


@pytest.hookimpl
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> SharedServerScheduling | None:
    """For ``--dist loadfile``."""
    return SharedServerScheduling(config, log) if config.getoption("dist") == "loadfile" else None
