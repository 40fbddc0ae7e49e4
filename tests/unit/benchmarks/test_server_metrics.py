"""Mean batch sizes, from TorchServe's metrics page."""

from __future__ import annotations

import pytest

from benchmarks.server import mean_batches
from outofsync_client import Metrics

PAGE = """\
# HELP outofsync_requests_total Torchserve prometheus metric with unit: Count
# TYPE outofsync_requests_total counter
outofsync_requests_total{ModelName="deepfake__deblur",Level="Model",Hostname="a, b",} 8.0
outofsync_requests_total{ModelName="deepfake__deblur",Level="Model",Hostname="c",} 4.0
outofsync_batches_total{ModelName="deepfake__deblur",Level="Model",Hostname="c",} 3.0
outofsync_stage_seconds_total{Stage="decode",ModelName="deepfake__deblur",} 1.5E-1
Requests2XX{Level="Host",} 9.0
plain_total 2
"""


def test_batches_are_those_between_two_readings() -> None:
    later = PAGE.replace("} 8.0", "} 16.0").replace("} 3.0", "} 5.0")
    means = mean_batches(Metrics.parse(PAGE), Metrics.parse(later))
    assert means == {"deblur": 4.0, "ensemble": None}


@pytest.mark.parametrize("page", ["", "# nothing yet\n", PAGE])
def test_no_batches_have_no_mean(page: str) -> None:
    metrics = Metrics.parse(page)
    assert mean_batches(metrics, metrics) == {"deblur": None, "ensemble": None}
