"""Which packages an import spends its time on."""

from __future__ import annotations

from benchmarks.start import outermost

REPORT = """\
import time: self [us] | cumulative | imported package
import time:       100 |        100 |   _io
import time:     20000 |      20000 |     numpy.core
import time:     40000 |      60000 |   numpy
import time:     50000 |      50000 |       torch._dynamo
import time:     70000 |     120000 |     torchvision
import time:      5000 |     125000 |   outofsync.preparation
import time:      1000 |       1000 |   yaml
import time:      2000 |     188100 | deblur_handler
"""


def test_packages_count_with_what_they_pull_in_and_once() -> None:
    assert outermost(REPORT) == {"torchvision": 120.0, "numpy": 60.0}
