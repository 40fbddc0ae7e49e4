"""What an edge is started with, and what it tells nginx."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gateway.openapi import DOCUMENT
from serving.edge.certificate import development_certificate
from serving.edge.render import FAULTS, errors_conf, render
from serving.edge.settings import EdgeSettings
from serving.edge.user import worker_user
from serving.settings import ServeError


def rendered(settings: EdgeSettings, *gateways: str) -> Path:
    shared = settings.states[0] / "shared"
    shared.mkdir()
    return render(settings, list(gateways), shared, user=None)


def test_every_fault_is_an_envelope_of_the_documents_codes() -> None:
    codes = DOCUMENT["components"]["schemas"]["Error"]["properties"]["error"]["properties"]["code"]["enum"]
    text = errors_conf()
    bodies = re.findall(r"return (\d+) '(\{.*\})';", text)
    assert len(bodies) == len(FAULTS)
    for status, body in bodies:
        error = json.loads(body)["error"]
        assert error["status"] == int(status)
        assert error["code"] in codes
        assert "'" not in body
    found = [code for fault in FAULTS for code in fault.found]
    assert len(found) == len(set(found))


def test_nothing_is_left_to_fill_in(tmp_path: Path) -> None:
    path = rendered(EdgeSettings(states=(tmp_path,), plain_port=8080), "unix:/a.sock", "10.0.0.5:8000")
    text = path.read_text()
    assert "%{" not in text
    assert "server unix:/a.sock;" in text
    assert "server 10.0.0.5:8000;" in text
    assert (tmp_path / "edge").stat().st_mode & 0o077 == 0
    assert (tmp_path / "edge" / "development.key").stat().st_mode & 0o077 == 0


def test_an_address_of_ipv6_stands_in_brackets(tmp_path: Path) -> None:
    settings = EdgeSettings(states=(tmp_path,), host="::1")
    assert "listen [::1]:8443 ssl" in rendered(settings, "unix:/a.sock").read_text()
    assert settings.url == "https://[::1]:8443"


def test_a_certificate_without_its_key_is_a_sentence(tmp_path: Path) -> None:
    settings = EdgeSettings(states=(tmp_path,), certificate=tmp_path / "a.crt")
    with pytest.raises(ServeError, match="--certificate and --key"):
        rendered(settings, "unix:/a.sock")


def test_a_development_certificate_stays_while_it_lasts(tmp_path: Path) -> None:
    first, _ = development_certificate(tmp_path, "127.0.0.1")
    made = first.read_bytes()
    assert development_certificate(tmp_path, "127.0.0.1")[0].read_bytes() == made
    first.write_bytes(b"no certificate")
    assert development_certificate(tmp_path, "127.0.0.1")[0].read_bytes() != b"no certificate"


def test_workers_are_an_ordinary_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    found = worker_user(EdgeSettings())
    assert found is not None
    assert (found.name, found.uid > 0) == ("nobody", True)
    for name in ("root", "no such user", "a;b"):
        with pytest.raises(ServeError, match=f"{name}.*--user"):
            worker_user(EdgeSettings(user=name))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert worker_user(EdgeSettings(user="no such user")) is None, "who is not root stays who he is"


def test_workers_who_may_not_enter_their_folder_are_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    user = worker_user(EdgeSettings())
    assert user is not None
    (tmp_path / "private" / "shared").mkdir(parents=True)
    (tmp_path / "private").chmod(0o700)
    with pytest.raises(ServeError, match=f"may not enter {tmp_path}/private"):
        user.check_reach(tmp_path / "private" / "shared")
