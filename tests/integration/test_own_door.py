"""What TorchServe itself answers, in which nothing here has a say; SECURITY.md lists it.

Callers of the gateway get the one envelope for all of it (tests/unit/gateway).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from media_factory import Media
from server_fixture import LiveServer

from outofsync_client.protocol import TORCHSERVE

pytestmark = pytest.mark.server

URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}  # as curl sends --data-binary
VIDEO = Media(frames=20).to_bytes()
TWICE = "twice"  # a model's name


@pytest.fixture
def unharmed(server: LiveServer) -> Iterator[LiveServer]:
    """The server; what a test sends must leave its workers as they are."""
    before = server.workers()
    yield server
    assert server.workers() == before
    assert "error" not in server.detect(VIDEO, mode="reference", deblur="never")


@pytest.mark.parametrize("path", [TORCHSERVE.detect, TORCHSERVE.deblur])
def test_a_file_in_the_place_of_a_form_fails_before_any_handler(unharmed: LiveServer, path: str) -> None:
    """And its words hold some of the file's bytes, to whoever sent them."""
    response = unharmed.post(path, data=VIDEO, headers=URLENCODED)
    assert response.status_code == 500
    assert response.json()["type"] == "ErrorDataDecoderException"
    assert unharmed.state.token not in response.text


def test_fields_of_a_urlencoded_form_are_refused_by_name(unharmed: LiveServer) -> None:
    response = unharmed.post(TORCHSERVE.detect, data="video=1&deblur=never", headers=URLENCODED)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["status"]) == (200, "bad_options", 400)
    assert "video" in error["message"]


def test_options_in_the_query_string_never_reach_a_handler(unharmed: LiveServer) -> None:
    response = unharmed.post(f"{TORCHSERVE.detect}?mode=nonsense", files={"data": VIDEO})
    assert response.status_code == 200
    assert "verdict" in response.json(), "a bad option is an error wherever a handler is told of it"


def test_a_body_beyond_the_limit_is_refused_without_a_word(unharmed: LiveServer) -> None:
    headers = {"Content-Length": "999999999", "Expect": "100-continue"}
    request = requests.Request("POST", f"{unharmed.state.url}{TORCHSERVE.detect}", headers=headers).prepare()
    request.headers["Authorization"] = f"Bearer {unharmed.state.token}"
    with requests.Session() as session:
        response = session.send(request, timeout=60)
    assert (response.status_code, response.content) == (413, b"")


def test_two_registrations_at_once(unharmed: LiveServer) -> None:
    """One name and version, from the same archive: one is loaded, and nothing half."""
    archive = next(unharmed.settings.model_store.glob("deblur*.mar")).name
    headers = {"Authorization": f"Bearer {unharmed.state.management_token}"}
    models = f"{unharmed.state.management_url}/models"
    query = {"url": archive, "model_name": TWICE, "initial_workers": "0"}

    def register(_: int) -> int:
        return requests.post(models, params=query, headers=headers, timeout=60).status_code

    try:
        with ThreadPoolExecutor(8) as pool:
            statuses = Counter(pool.map(register, range(8)))
        found = requests.get(f"{models}/{TWICE}/all", headers=headers, timeout=60).json()
    finally:
        requests.delete(f"{models}/{TWICE}", headers=headers, timeout=60)
    assert set(statuses) <= {200, 409}, statuses
    assert statuses[200] == 1
    assert len(found) == 1
