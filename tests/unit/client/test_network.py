"""What lies between a client and its server: proxies and certificates, from arguments and the environment."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme
from unit.client.conftest import API_KEY, TOKEN, serving

from outofsync_client import Client, OutOfSyncError, Retries, UnreachableError
from outofsync_client._network import proxy_for

if TYPE_CHECKING:
    from unit.client.conftest import StubServer

PROXY = "http://user:s3cret@proxy.example:3128"
# An encrypted key that belongs to nobody.
LOCKED = """-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGjMF8GCSqGSIb3DQEFDTBSMDEGCSqGSIb3DQEFDDAkBBDkBBDkBBDkBBDkBBDk
-----END ENCRYPTED PRIVATE KEY-----
"""


BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*BUNDLES, "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://detector.example:8080", PROXY),
        ("https://detector.example", "http://other.example:1"),
        ("http://127.0.0.1:8080", None),
        ("http://127.1.2.3", None),
        ("http://localhost:8080", None),
        ("https://[::1]:8443", None),
        ("http://inside.example", None),
        ("http://host.inside.example:8080", None),
        ("http://10.1.2.3:8080", None),
        ("http://11.1.2.3:8080", PROXY),
        ("http://[fd00::1]", None),
        ("http://[2001:db8::1]", PROXY),
    ],
)
def test_the_environment_names_proxies_and_who_needs_none(
    monkeypatch: pytest.MonkeyPatch, url: str, proxy: str | None
) -> None:
    monkeypatch.setenv("http_proxy", PROXY)
    monkeypatch.setenv("https_proxy", "other.example:1")
    monkeypatch.setenv("no_proxy", "inside.example, 10.0.0.0/8, fd00::/8")
    assert proxy_for(url) == proxy


def test_a_request_goes_through_the_proxy_of_the_moment(
    server: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Client("http://detector.invalid", token=TOKEN, retries=Retries.none()) as client:
        with pytest.raises(UnreachableError):
            client.detect(b"video")
        monkeypatch.setenv("http_proxy", server.url)
        with pytest.raises(OutOfSyncError):  # it is no proxy, and knows no such path
            client.detect(b"video")
    assert [request.path for request in server.received] == ["http://detector.invalid/wfpredict/deepfake"]


@pytest.mark.parametrize("proxy", ["nothing://here:1", "http://[half", "socks5://user:s3cret@127.0.0.1:1"])
def test_a_proxy_that_cannot_be_used_is_a_sentence(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    with (
        Client("http://detector.invalid", retries=Retries.none()) as client,
        pytest.raises(UnreachableError) as caught,
    ):
        client.detect(b"video")
    assert "s3cret" not in str(caught.value)


@pytest.fixture
def authority(tmp_path: Path) -> tuple[trustme.CA, str]:
    """An authority of our own, and the file of its certificate."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return authority, str(tmp_path / "ca.pem")


@pytest.fixture
def secure_server(authority: tuple[trustme.CA, str]) -> Iterator[StubServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority[0].issue_cert("127.0.0.1").configure_cert(context)
    with serving(context) as stub:
        stub.refuses("empty_file")
        yield stub


@pytest.mark.parametrize("name", BUNDLES)
def test_the_environment_names_authorities(
    secure_server: StubServer,
    authority: tuple[trustme.CA, str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.setenv(name, authority[1])
    with Client(secure_server.url, api_key=API_KEY) as client:
        assert client.health().ready


def test_a_server_is_not_looked_at_where_nobody_wants_it(secure_server: StubServer) -> None:
    with Client(secure_server.url, api_key=API_KEY, verify=False) as client:
        assert client.health().ready


def test_a_bundle_of_no_use_in_the_environment_is_a_sentence(
    secure_server: StubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nowhere.pem"))
    with (
        Client(secure_server.url, api_key=API_KEY, retries=Retries.none()) as client,
        pytest.raises(UnreachableError, match="environment"),
    ):
        client.detect(b"video")


@pytest.mark.parametrize("argument", ["verify", "cert"])
@pytest.mark.parametrize("content", ["", "a letter", LOCKED])
def test_files_that_are_no_certificates_are_a_mistake(tmp_path: Path, argument: str, content: str) -> None:
    file = tmp_path / "file.pem"
    file.write_text(content)
    with pytest.raises(ValueError, match=r"file\.pem holds? no certificate"):
        Client("https://127.0.0.1:1", api_key="k", **{argument: str(file)})  # type: ignore[arg-type]
