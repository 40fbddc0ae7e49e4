"""One bad video stops nothing; a cluster on which nothing works is said to be one."""

from __future__ import annotations

import pytest

from outofsync_cluster.errors import ClusterError
from outofsync_cluster.losses import FEWEST, SAME_ERRORS, Agreement
from outofsync_cluster.rows import ErrorRow
from outofsync_cluster.watching import Tally


def failed(code: str) -> ErrorRow:
    return ErrorRow("a.mp4", None, code, "engine", "its words", "", 1)


def test_a_run_of_the_same_error_stops() -> None:
    agreement = Agreement()
    for _ in range(SAME_ERRORS - 1):
        agreement.add(failed("unreachable"))
    with pytest.raises(ClusterError, match="failed alike"):
        agreement.add(failed("unreachable"))


def test_bad_videos_stop_nothing() -> None:
    agreement, tally = Agreement(), Tally()
    for _ in range(2 * SAME_ERRORS):
        agreement.add(failed("corrupt_media"))
        tally.add(failed("corrupt_media"))
    agreement.end(tally)


@pytest.mark.parametrize("videos", [FEWEST - 1, FEWEST])
def test_a_whole_run_of_the_same_error_says_so(videos: int) -> None:
    agreement, tally = Agreement(), Tally()
    for _ in range(videos):
        agreement.add(failed("worker_died"))
        tally.add(failed("worker_died"))
    if videos < FEWEST:
        agreement.end(tally)
        return
    with pytest.raises(ClusterError, match="all 3 videos failed alike"):
        agreement.end(tally)
