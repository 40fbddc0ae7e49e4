"""As many actors as a cluster has room for, of each kind."""

from __future__ import annotations

import pytest

from outofsync_cluster.errors import ClusterError
from outofsync_cluster.pipeline import Team, team_of


@pytest.mark.parametrize(
    ("nodes", "cpus", "gpus", "stages", "team"),
    [
        ([{"CPU": 2.0}], 1, 0, 1, Team(whole=2)),
        ([{"CPU": 6.0}, {"CPU": 6.0}, {}], 4, 0, 1, Team(whole=2)),  # none takes cores of two nodes
        ([{"CPU": 5.0}], 1, 0, 2, Team(crop=3, score=2)),
        ([{"CPU": 16.0, "GPU": 1.0}], 1, 1, 2, Team(crop=15, score=1)),
        ([{"CPU": 8.0, "GPU": 2.0}, {"CPU": 8.0}], 2, 1, 2, Team(crop=6, score=2)),
        ([{"CPU": 2.0, "GPU": 8.0}], 1, 1, 2, Team(crop=1, score=1)),  # a card without crops does nothing
    ],
)
def test_actors_fit(nodes: list[dict[str, float]], cpus: float, gpus: float, stages: int, team: Team) -> None:
    assert team_of(nodes, cpus=cpus, gpus=gpus, stages=stages) == team


@pytest.mark.parametrize(
    ("nodes", "cpus", "gpus", "stages"),
    [
        ([{"CPU": 2.0}], 4, 0, 1),
        ([{"CPU": 1.0}], 1, 0, 2),
        ([{"CPU": 8.0}], 1, 1, 2),
        ([{"CPU": 8.0}, {"GPU": 1.0}], 1, 1, 2),
        ([], 1, 0, 1),
    ],
)
def test_what_does_not_fit_is_said(
    nodes: list[dict[str, float]], cpus: float, gpus: float, stages: int
) -> None:
    with pytest.raises(ClusterError, match="a run asks for"):
        team_of(nodes, cpus=cpus, gpus=gpus, stages=stages)
