"""The management API of a server that may be on another machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pretended_torchserve import OWN, TOKEN, FakeTorchServe, serving

from outofsync_client import AuthenticationError, UnreachableError
from outofsync_client.management import Management, ManagementError
from outofsync_client.protocol import NODES, STATE_FILE, model_of

DEBLUR, ENSEMBLE = map(model_of, NODES)


@pytest.fixture
def torchserve() -> FakeTorchServe:
    fake = FakeTorchServe()
    fake.start_anew()
    return fake


@pytest.fixture
def url(torchserve: FakeTorchServe) -> Iterator[str]:
    with serving(torchserve) as url:
        yield url


@pytest.fixture
def management(url: str) -> Iterator[Management]:
    with Management(url, TOKEN) as management:
        yield management


def test_every_model_is_listed(management: Management) -> None:
    assert management.models() == (DEBLUR, ENSEMBLE), "however many pages it takes"


def test_a_version_comes_answers_and_goes(management: Management, torchserve: FakeTorchServe) -> None:
    management.register("ensemble-2.0.mar", model=ENSEMBLE, batch_size=2, max_batch_delay=10)
    loaded = management.versions(ENSEMBLE)
    assert set(loaded) == {OWN, "2.0"}
    assert (loaded["2.0"].batch_size, loaded["2.0"].ready) == (2, True)
    management.scale(ENSEMBLE, "2.0", 3)
    described = management.version(ENSEMBLE, "2.0")
    assert described is not None
    assert len(described.workers) == 3
    management.set_default(ENSEMBLE, "2.0")
    assert management.default(ENSEMBLE) == "2.0"
    with pytest.raises(ManagementError, match="Cannot remove default version"):
        management.unregister(ENSEMBLE, "2.0")
    management.set_default(ENSEMBLE, OWN)
    management.unregister(ENSEMBLE, "2.0")
    management.unregister(ENSEMBLE, "2.0")  # what is gone is as good
    assert management.version(ENSEMBLE, "2.0") is None
    assert torchserve.loaded()[ENSEMBLE] == [OWN]


def test_a_wrong_token_is_said_at_once_and_not_shown(url: str) -> None:
    with (
        Management(url, "a wrong secret") as management,
        pytest.raises(AuthenticationError, match="refuses the management token") as caught,
    ):
        management.models()
    assert "a wrong secret" not in str(caught.value) + repr(caught.value)


def test_a_server_that_is_away_is_unreachable() -> None:
    with Management("http://127.0.0.1:9", TOKEN) as management, pytest.raises(UnreachableError):
        management.models()


def test_a_url_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(ValueError, match="not an http or https URL"):
        Management("ftp://somewhere", TOKEN)


def test_a_state_folder_is_followed_through_new_tokens(
    url: str, torchserve: FakeTorchServe, tmp_path: Path
) -> None:
    def publish(token: str) -> None:
        torchserve.token = token
        server = {"url": url, "management_url": url, "metrics_url": url}
        written = {**server, "token": token, "management_token": token}
        (tmp_path / STATE_FILE).write_text(json.dumps(written))

    management = Management.of_state(tmp_path)
    with pytest.raises(UnreachableError, match="no server is ready"):
        management.models()
    publish("first")
    assert management.default(DEBLUR) == OWN
    publish("second")
    assert management.default(DEBLUR) == OWN
    management.close()
