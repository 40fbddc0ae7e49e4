"""Raw bytes to the edge: nginx and the gateway behind it answer or hang up, and serve others as before."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from edge_fixture import LiveEdge
from media_factory import Media

from benchmarks.fuzzing.running import kept
from benchmarks.fuzzing.service import Service

pytestmark = pytest.mark.server

MESSAGES = 200
SEED = 2026
CALLERS = 4


def test_raw_bytes_bring_nobody_down(edge: LiveEdge) -> None:
    service = Service(edge.url, edge.key, Path(edge.authority))
    before = edge.servers[0].workers()
    mutated = service.mutated(SEED)
    messages = [*service.seeds(), *(mutated(number) for number in range(MESSAGES))]
    messages += [path.read_bytes() for path in kept("service")]
    with ThreadPoolExecutor(CALLERS) as pool:
        assert set(pool.map(service.problem, messages)) == {""}
    assert edge.servers[0].workers() == before
    assert "verdict" in edge.detect(Media().to_bytes()).json()
