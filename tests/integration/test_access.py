"""Who may ask, and what the server keeps to itself."""

from __future__ import annotations

import pytest
import requests
from media_factory import Media
from server_fixture import LiveServer

pytestmark = pytest.mark.server


@pytest.mark.parametrize("token", ["", "wrong"])
@pytest.mark.parametrize("path", ["/wfpredict/deepfake", "/predictions/deblur", "/predictions/ensemble"])
def test_without_its_token_nothing_is_judged(server: LiveServer, path: str, token: str) -> None:
    response = server.post(path, token=token, data=b"video")
    assert response.status_code == 400
    assert response.json()["type"] == "InvalidKeyException"


def test_the_inference_token_does_not_manage(server: LiveServer) -> None:
    for token in ("", server.state.token):
        headers = {"Authorization": f"Bearer {token}"}
        assert (
            requests.get(f"{server.state.management_url}/models", headers=headers, timeout=30).status_code
            == 400
        )


def test_the_log_holds_no_token(server: LiveServer) -> None:
    server.detect(Media().to_bytes(), request_id="log-check")
    log = server.folder.log_file.read_text()
    assert "/wfpredict/deepfake" in log
    assert server.state.token not in log
    assert server.state.management_token not in log


def test_every_port_is_on_loopback(server: LiveServer) -> None:
    listening = [c.laddr.ip for c in server.java().net_connections("tcp") if c.status == "LISTEN"]
    assert len(listening) == 5
    assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}
