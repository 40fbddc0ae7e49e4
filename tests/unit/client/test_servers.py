"""Which server is asked, with what secret: several, one that moves, the edge, behind a certificate."""

from __future__ import annotations

import json
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from command_runner import outofsync
from unit.client.conftest import API_KEY, TOKEN, serving, torchserve_error

from outofsync_client import (
    AuthenticationError,
    BusyError,
    Client,
    ConnectionLostError,
    CorruptMediaError,
    Retries,
    StateToken,
    UnreachableError,
    UntrustedServerError,
    WorkerDiedError,
)
from outofsync_client.cli.server import KEY_VARIABLE, TOKEN_VARIABLE, URL_VARIABLE
from outofsync_client.protocol import STATE_FOLDER

if TYPE_CHECKING:
    from unit.client.conftest import StubServer

MakeResult = Callable[..., dict[str, Any]]
AT_ONCE = Retries(first_wait=0.0)
FULL = torchserve_error(503, "ServiceUnavailableException", 'Model "x" has no worker to serve.')
WORKER_DIED = torchserve_error(507, "InternalServerException", "Worker died.")
RATE_LIMITED = (429, b"")


@contextmanager
def dead_address() -> Iterator[str]:
    """Where nobody answers: the port is bound, so that nobody else gets it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_a_second_server_takes_over_and_is_asked_first_from_then_on(
    server: StubServer, make_result: MakeResult
) -> None:
    server.answers(make_result())
    with dead_address() as dead, Client([dead, server.url], token=TOKEN, retries=Retries.none()) as client:
        for _ in range(3):
            assert client.detect(b"video").verdict == "real"
            assert client.url == server.url
    assert [request.fields["data"] for request in server.received] == [b"video"] * 3


@pytest.mark.parametrize("answer", [FULL, (502, b"<html>")])
def test_a_busy_server_passes_its_requests_on_without_a_wait(
    server: StubServer, second_server: StubServer, make_result: MakeResult, answer: tuple[int, bytes]
) -> None:
    server.answer = lambda _: answer
    server.retry_after = "3600"
    second_server.answers(make_result())
    with Client([server.url, second_server.url], token=TOKEN) as client:
        client.detect(b"video")
        client.detect(b"video")
    assert (len(server.received), len(second_server.received)) == (1, 2)
    assert second_server.received[0].fields["data"] == b"video"
    headers = (server.received[0].headers, second_server.received[0].headers)
    assert headers[0]["X-OutOfSync-Request-Id"] == headers[1]["X-OutOfSync-Request-Id"]


@pytest.mark.parametrize(("answer", "error"), [(RATE_LIMITED, BusyError), (WORKER_DIED, WorkerDiedError)])
def test_what_lies_with_the_caller_or_the_file_goes_to_no_other_server(
    server: StubServer, second_server: StubServer, answer: tuple[int, bytes], error: type[Exception]
) -> None:
    server.answer = lambda _: answer
    with (
        Client([server.url, second_server.url], token=TOKEN, retries=Retries.none()) as client,
        pytest.raises(error),
    ):
        client.detect(b"video")
    assert not second_server.received


def test_a_server_that_answers_has_the_last_word_over_one_that_is_dead(server: StubServer) -> None:
    server.answer = lambda _: FULL
    server.retry_after = "3600"
    with (
        dead_address() as dead,
        Client([server.url, dead], token=TOKEN) as client,
        pytest.raises(BusyError) as caught,
    ):
        client.detect(b"video")
    assert caught.value.retry_after == 3600.0


def test_all_servers_are_tried_again_after_a_wait(
    server: StubServer, second_server: StubServer, make_result: MakeResult
) -> None:
    answers = [FULL, FULL, FULL, (200, json.dumps(make_result()).encode())]
    server.answer = second_server.answer = lambda _: answers.pop(0)
    with Client([server.url, second_server.url], token=TOKEN, retries=AT_ONCE) as client:
        assert client.detect(b"video").verdict == "real"
    assert (len(server.received), len(second_server.received)) == (2, 2)


def write_state(folder: Path, url: str, token: str) -> None:
    others = dict.fromkeys(("management_url", "metrics_url", "management_token"), "")
    (folder / "server.json").write_text(json.dumps({"url": url, "token": token, **others}))


def test_a_token_that_was_changed_is_read_again(
    server: StubServer, make_result: MakeResult, tmp_path: Path
) -> None:
    server.answers(make_result())
    write_state(tmp_path, server.url, TOKEN)
    with Client.of_state(tmp_path) as client:
        client.detect(b"video")
        server.token = "another"
        write_state(tmp_path, server.url, "another")
        client.detect(b"video")


def test_a_token_that_is_wrong_for_good_is_said(server: StubServer, tmp_path: Path) -> None:
    write_state(tmp_path, server.url, "wrong")
    with Client.of_state(tmp_path) as client, pytest.raises(AuthenticationError):
        client.detect(b"video")
    with Client(server.url, token="wrong") as client, pytest.raises(AuthenticationError):
        client.detect(b"video")


def test_a_server_that_comes_back_elsewhere_is_found(
    server: StubServer, make_result: MakeResult, tmp_path: Path
) -> None:
    server.answers(make_result())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        write_state(tmp_path, f"http://127.0.0.1:{taken.getsockname()[1]}", "old")
        client = Client.of_state(tmp_path, retries=Retries(first_wait=0.3))
        client.url  # noqa: B018 - read while the server is where it was
        (tmp_path / "server.json").unlink()
        back = threading.Timer(0.2, write_state, (tmp_path, server.url, TOKEN))
        back.start()
        assert client.detect(b"video").verdict == "real"
        back.join()
        client.close()


def test_without_a_server_the_state_folder_is_named(tmp_path: Path) -> None:
    with (
        Client.of_state(tmp_path, retries=Retries.none()) as client,
        pytest.raises(UnreachableError) as caught,
    ):
        client.detect(b"video")
    assert str(tmp_path) in str(caught.value)


def test_a_token_source_is_asked_again_when_its_token_is_refused(
    server: StubServer, make_result: MakeResult, tmp_path: Path
) -> None:
    server.answers(make_result())
    write_state(tmp_path, "http://elsewhere", TOKEN)
    with Client(server.url, token=StateToken(tmp_path), retries=Retries.none()) as client:
        client.detect(b"video")
        server.token = "another"
        with pytest.raises(AuthenticationError):
            client.detect(b"video")
        write_state(tmp_path, "http://elsewhere", "another")
        client.detect(b"video")


def test_a_state_folder_without_a_server_holds_no_token(server: StubServer, tmp_path: Path) -> None:
    client = Client(server.url, token=StateToken(tmp_path), retries=Retries.none())
    with pytest.raises(UnreachableError, match="no server is ready"):
        client.detect(b"video")
    (tmp_path / "server.json").write_text("{")
    with pytest.raises(UnreachableError, match="cannot be read"):
        client.detect(b"video")


def test_threads_that_meet_a_new_token_together_all_find_it(
    server: StubServer, make_result: MakeResult, tmp_path: Path
) -> None:
    server.answers(make_result())
    write_state(tmp_path, server.url, TOKEN)
    with Client.of_state(tmp_path, retries=Retries.none()) as client, ThreadPoolExecutor(8) as pool:
        for token in ("second", "third"):
            client.detect(b"video")
            server.token = token
            write_state(tmp_path, server.url, token)
            assert len(list(pool.map(client.detect, [b"video"] * 16))) == 16


def test_new_tokens_show_in_no_log(
    server: StubServer, make_result: MakeResult, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers(make_result())
    write_state(tmp_path, server.url, "stale-s3cret")
    with caplog.at_level(logging.DEBUG, "outofsync_client"), Client.of_state(tmp_path) as client:
        client.url  # noqa: B018 - the stale token is read
        write_state(tmp_path, server.url, TOKEN)
        client.detect(b"video")
        shown = f"{caplog.text} {client!r} {StateToken(tmp_path)!r}"
    assert "token is new" in shown
    assert "s3cret" not in shown


def test_with_an_api_key_the_edge_is_asked(server: StubServer, make_result: MakeResult) -> None:
    server.answers(make_result())
    with Client(server.url, api_key=API_KEY) as client:
        assert client.detect(b"video").verdict == "real"
        assert server.received[0].path == "/v1/detect"
        assert "Authorization" not in server.received[0].headers
        assert API_KEY not in repr(client)


def test_an_edge_is_healthy_when_its_chain_refuses_an_empty_file(server: StubServer) -> None:
    server.refuses("empty_file")
    with Client(server.url, api_key=API_KEY) as client:
        assert client.wait_until_ready(5.0).ready
        assert [request.path for request in server.received] == ["/v1/health", "/v1/detect"]
        server.ready = False
        health = client.health()
    assert not health.ready
    assert "no server behind the edge" in health.problem


def test_the_edges_own_status_means_the_same_error(server: StubServer) -> None:
    server.refuses("corrupt_media")
    as_data = server.answer
    server.answer = lambda request: (422, as_data(request)[1])
    with Client(server.url, api_key=API_KEY) as client, pytest.raises(CorruptMediaError):
        client.detect(b"video")


def test_a_token_and_a_key_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="not both"):
        Client("http://127.0.0.1:1", token="a", api_key="b")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> str:
    """The authority's certificate as a file."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def secure_server(authority: trustme.CA, bundle: str) -> Iterator[StubServer]:
    """A server that asks its callers for a certificate, too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    context.load_verify_locations(bundle)
    context.verify_mode = ssl.CERT_OPTIONAL
    with serving(context) as stub:
        yield stub


def test_a_server_with_a_certificate_of_nobody_we_know_is_not_trusted(secure_server: StubServer) -> None:
    with Client(secure_server.url, api_key=API_KEY) as client, pytest.raises(UntrustedServerError) as caught:
        client.detect(b"video")
    assert caught.value.code == "untrusted"
    assert not secure_server.received


@pytest.fixture
def own(authority: trustme.CA, tmp_path: Path) -> str:
    """The client's own certificate and key, as a file."""
    path = tmp_path / "own.pem"
    authority.issue_cert("client.example").private_key_and_cert_chain_pem.write_to_path(str(path))
    return str(path)


def test_a_bundle_and_a_certificate_of_our_own_open_the_door(
    secure_server: StubServer, bundle: str, own: str, make_result: MakeResult
) -> None:
    secure_server.answers(make_result())
    with Client(secure_server.url, api_key=API_KEY, verify=bundle, cert=own) as client:
        assert client.detect(b"video").verdict == "real"
    assert secure_server.callers == ["client.example"]


def test_they_open_it_for_a_client_of_a_state_folder_as_well(
    secure_server: StubServer, bundle: str, own: str, make_result: MakeResult, tmp_path: Path
) -> None:
    secure_server.answers(make_result())
    write_state(tmp_path, secure_server.url, TOKEN)
    with Client.of_state(tmp_path) as client, pytest.raises(UntrustedServerError):
        client.detect(b"video")
    with Client.of_state(tmp_path, verify=bundle, cert=own) as client:
        assert client.detect(b"video").verdict == "real"
    assert secure_server.callers == ["client.example"]
    with pytest.raises(ValueError, match="/nowhere"):
        Client.of_state(tmp_path, verify="/nowhere/ca.pem")


def test_the_command_line_names_a_bundle_for_a_server_of_this_machine(
    secure_server: StubServer, bundle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secure_server.refuses("empty_file")
    (tmp_path / STATE_FOLDER).mkdir()
    write_state(tmp_path / STATE_FOLDER, secure_server.url, TOKEN)
    monkeypatch.chdir(tmp_path)
    for name in (URL_VARIABLE, TOKEN_VARIABLE, KEY_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    assert outofsync("health").exit_code == 3
    assert outofsync("health", "--ca-bundle", bundle).exit_code == 0


def test_files_that_are_not_there_are_a_mistake() -> None:
    for files in (
        {"verify": "/nowhere/ca.pem"},
        {"cert": "/nowhere/own.pem"},
        {"cert": ("/nowhere/a", "/b")},
    ):
        with pytest.raises(ValueError, match="/nowhere"):
            Client("https://127.0.0.1:1", api_key="k", **files)


@pytest.mark.parametrize("trouble", [ConnectionResetError(), ssl.SSLError(1, "of another connection")])
def test_what_a_caller_was_at_is_not_taken_for_the_cause(trouble: OSError) -> None:
    with dead_address() as dead, Client(dead, retries=Retries.none()) as client:
        try:
            raise trouble
        except OSError:
            with pytest.raises(UnreachableError):
                client.detect(b"video")


def test_a_secure_connection_that_breaks_off_is_lost_rather_than_untrusted() -> None:
    with socket.socket() as rude:
        rude.bind(("127.0.0.1", 0))
        rude.listen()
        hang_up = threading.Thread(target=lambda: rude.accept()[0].close())
        hang_up.start()
        url = f"https://127.0.0.1:{rude.getsockname()[1]}"
        with Client(url, retries=Retries.none()) as client, pytest.raises(ConnectionLostError):
            client.detect(b"x")
        hang_up.join()
