"""The published network, served, answers the published numbers: by REST as by the client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from server_fixture import LiveServer

from archives.build import build
from outofsync_client import Client, Result
from serving.lifecycle import running
from serving.settings import ServerSettings

pytestmark = [pytest.mark.server, pytest.mark.shared]

Golden = Callable[[str], dict[str, NDArray[Any]]]
Ask = Callable[[LiveServer, Path], Result]

LAM = 0.5


@pytest.fixture(scope="module")
def published_server(checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The workflow with the published networks in its archives."""
    store = tmp_path_factory.mktemp("published_store")
    build(checkpoints, store)
    settings = ServerSettings(
        state=tmp_path_factory.mktemp("published_server"), model_store=store, plain_models=False
    )
    with running(settings) as state:
        yield LiveServer(state, settings)


def by_rest(server: LiveServer, video: Path) -> Result:
    """A form as any HTTP client sends it."""
    answer = server.detect(
        video.read_bytes(), mode="reference", deblur="never", lam=LAM, include=["delays", "features"]
    )
    return Result.from_dict(answer)


def by_client(server: LiveServer, video: Path) -> Result:
    with Client(server.state.url, token=server.state.token) as client:
        return client.detect(video, mode="reference", deblur="never", lam=LAM, include=["delays", "features"])


@pytest.fixture(scope="module", params=[by_rest, by_client])
def result(request: pytest.FixtureRequest, published_server: LiveServer, published_dir: Path) -> Result:
    ask: Ask = request.param
    return ask(published_server, published_dir / "test.mp4")


def test_delays(golden: Golden, result: Result) -> None:
    np.testing.assert_allclose(result.delays, golden("clip")["delays"], rtol=0, atol=2e-3)


def test_features(golden: Golden, result: Result) -> None:
    np.testing.assert_allclose(result.features, golden("clip")["avfeature"], rtol=0, atol=1e-2)


def test_scores(golden: Golden, result: Result) -> None:
    published = golden("clip")
    delay, feature = float(published["dist"]), float(published["av"])
    assert result.delay_score == pytest.approx(delay, rel=1e-3)
    assert result.feature_score == pytest.approx(feature, rel=1e-3)
    assert result.score == pytest.approx(delay + LAM * feature, rel=1e-3)
