"""What a handler tells TorchServe's metrics endpoint, as counters that only grow.

Of two scrapes, the difference in requests over that in batches is the mean batch size, and the difference in
a stage's seconds over that in requests is what a request spends there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ts.metrics.dimension import Dimension


class Metrics(Protocol):
    """TorchServe's collector of a model's metrics."""

    def add_counter(self, name: str, value: float, *, dimensions: list[Any]) -> None: ...


def count(metrics: Metrics, requests: int, timing_ms: Mapping[str, float]) -> None:
    """Count one batch, its requests, and the time that they spent in each stage."""
    metrics.add_counter("outofsync_batches_total", 1, dimensions=[])
    metrics.add_counter("outofsync_requests_total", requests, dimensions=[])
    for stage, spent in timing_ms.items():
        dimensions = [Dimension("Stage", stage)]
        metrics.add_counter("outofsync_stage_seconds_total", spent / 1000.0, dimensions=dimensions)
