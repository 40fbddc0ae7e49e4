"""A version on trial behind the gateway, with a real server: its share, its shadow, and its promotion."""

from __future__ import annotations

import json
import time
from collections import Counter

import pytest
from edge_fixture import LiveEdge, MakeEdge
from media_factory import Media
from untrained import write_checkpoints

from archives.build import build
from outofsync import __version__
from serving.rollout import Models

pytestmark = pytest.mark.server

VIDEO = Media(frames=25).to_bytes()
OPTIONS = '{"mode": "reference", "deblur": "never"}'
NEW = "2.0"


@pytest.fixture(scope="module")
def edge(make_edge: MakeEdge) -> LiveEdge:
    return make_edge("--rate", "500", "--burst", "500")


@pytest.fixture(scope="module")
def models(edge: LiveEdge, tmp_path_factory: pytest.TempPathFactory) -> Models:
    """The edge's versions; another one is registered beside what serves."""
    settings = edge.servers[0].settings
    build(write_checkpoints(tmp_path_factory.mktemp("checkpoints")), settings.model_store, NEW)
    models = Models(settings.state, settings.model_store)
    models.register(NEW)
    return models


def judged_by(edge: LiveEdge, request_id: str) -> str:
    form = {"data": ("video", VIDEO), "options": (None, OPTIONS)}
    headers = {"X-OutOfSync-Request-Id": request_id}
    response = edge.ask("POST", "/v1/detect", files=form, headers=headers)
    assert response.status_code == 200, response.text
    pipeline: str = response.headers["X-OutOfSync-Pipeline"]
    return pipeline


def test_a_canary_answers_its_share(edge: LiveEdge, models: Models) -> None:
    assert {judged_by(edge, f"before-{number}") for number in range(4)} == {__version__}
    models.canary(NEW, share=0.5)
    counted = Counter(judged_by(edge, f"during-{number}") for number in range(20))
    assert set(counted) == {__version__, NEW}
    assert 3 <= counted[NEW] <= 17
    models.canary(None)
    assert {judged_by(edge, f"after-{number}") for number in range(4)} == {__version__}


def test_in_the_shadow_it_judges_again_for_comparison_alone(edge: LiveEdge, models: Models) -> None:
    models.canary(NEW, share=1.0, shadow=True)
    assert {judged_by(edge, f"shadow-{number}") for number in range(3)} == {__version__}
    log = edge.servers[0].settings.state / "shadow.jsonl"
    deadline = time.monotonic() + 60
    while not log.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    comparison = models.compare(NEW)
    assert comparison.pairs
    assert (comparison.promoted, comparison.candidate) == (__version__, NEW)
    assert all(pair.agrees for pair in comparison.pairs), "both were made of the same weights"
    assert json.loads(log.read_text().splitlines()[0])["request_id"].startswith("shadow-")
    models.canary(None)


def test_a_promotion_is_heard_at_once(edge: LiveEdge, models: Models) -> None:
    models.promote(NEW)
    assert judged_by(edge, "promoted") == NEW
    (listed,) = edge.ask("GET", "/v1/models").json()["servers"]
    assert (listed["promoted"], listed["previous"]) == (NEW, __version__)
    models.rollback()
    assert judged_by(edge, "rolled-back") == __version__
