"""Who may ask, and what the file of keys gives away."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from unit.gateway.conftest import LiveGateway

from gateway import keys
from serving.settings import ROOT


@pytest.mark.parametrize("headers", [{}, {"X-Api-Key": "wrong"}, {"Authorization": "Basic eA=="}])
@pytest.mark.parametrize("path", ["/v1/detect", "/v1/deblur", "/detect"])
def test_without_a_valid_key_nothing_is_judged(live: LiveGateway, path: str, headers: dict[str, str]) -> None:
    response = live.ask("POST", path, key=headers.pop("X-Api-Key", ""), headers=headers, content=b"video")
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "authentication"
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert not live.servers[0].asked


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_a_bearer_is_as_good(live: LiveGateway, scheme: str) -> None:
    assert live.detect(key="", headers={"Authorization": f"{scheme} {live.key}"}).status_code == 200


@pytest.mark.parametrize("name", ["X-Api-Key", "Authorization"])
def test_several_keys_are_none(live: LiveGateway, name: str) -> None:
    """Or a valid key beside made-up ones would have another rate at nginx each time."""
    valid = live.key if name == "X-Api-Key" else f"Bearer {live.key}"
    headers = [(name, valid), (name, "made up")]
    response = httpx.post(f"{live.url}/v1/detect", headers=headers, content=b"video", trust_env=False)
    assert (response.status_code, response.json()["error"]["code"]) == (401, "authentication")
    assert "several API keys" in response.json()["error"]["message"]
    assert not live.servers[0].asked


def test_a_key_that_is_revoked_or_rotated_ends_at_once(live: LiveGateway) -> None:
    assert live.detect().status_code == 200
    new = keys.rotate(live.keys, "tester")
    assert live.detect().status_code == 401
    assert live.detect(key=new).status_code == 200
    keys.revoke(live.keys, "tester")
    assert live.detect(key=new).status_code == 401


def test_a_key_expires(live: LiveGateway) -> None:
    assert live.detect(key=keys.add(live.keys, "late", days=-1)).status_code == 401
    assert live.detect(key=keys.add(live.keys, "early", days=1)).status_code == 200


def test_the_file_holds_no_key_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "edge" / "keys.json"
    key = keys.add(path, "somebody")
    assert key.startswith("oos_")
    assert key not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["keys"][0]["name"] == "somebody"


@pytest.mark.parametrize("name", ["", "with space", "line\nbreak", "somebody"])
def test_a_name_that_makes_no_sense_or_is_taken_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "keys.json"
    keys.add(path, "somebody")
    with pytest.raises(keys.KeyChangeError):
        keys.add(path, name)


@pytest.mark.slow
def test_the_command_manages_keys(tmp_path: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gateway.keys", *words, "--keys", str(tmp_path / "keys.json")]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    assert run("add", "somebody").stdout.startswith("oos_")
    assert "valid" in run("list").stdout
    run("revoke", "somebody")
    assert "revoked" in run("list").stdout
    again = run("revoke", "somebody")
    assert (again.returncode, again.stderr) == (1, "keys: somebody has no key\n")


def test_a_broken_file_changes_nothing(live: LiveGateway) -> None:
    assert live.detect().status_code == 200
    live.keys.write_text("{")
    assert live.detect().status_code == 200
    assert live.detect(key="wrong").status_code == 401
