"""Every way in which a server says no becomes the exception that fits."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING

import pytest

import outofsync_client
from outofsync_client import Client, _exceptions

if TYPE_CHECKING:
    from unit.client.conftest import StubServer


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = _exceptions.__doc__ or ""
    for code, kind in _exceptions.ERRORS_BY_CODE.items():
        assert f"─ {kind.__name__} " in drawn
        assert f" {code}" in drawn


FITTING = {  # where TorchServe's own status does not
    (400, outofsync_client.AuthenticationError): 401,
    (500, outofsync_client.BusyError): 503,
    (507, outofsync_client.WorkerDiedError): 500,
}


@pytest.mark.parametrize("code", _exceptions.ERRORS_BY_CODE)
def test_an_error_that_travelled_as_data_is_raised(server: StubServer, client: Client, code: str) -> None:
    sent = {"code": code, "status": 418, "stage": "decode", "message": "What happened.", "hint": "Do that."}
    sent["request_id"] = "id-of-the-server"
    server.answers({"error": sent})
    with pytest.raises(_exceptions.ERRORS_BY_CODE[code]) as caught:
        client.detect(b"x")
    assert caught.value.to_dict() == sent
    assert str(caught.value) == "What happened. Do that. (request id-of-the-server)"


def test_an_error_without_an_id_gets_the_requests(server: StubServer, client: Client) -> None:
    server.refuses("no_audio")
    with pytest.raises(outofsync_client.NoAudioError) as caught:
        client.detect(b"x")
    assert caught.value.request_id == server.received[0].headers["X-OutOfSync-Request-Id"]


def test_a_code_of_a_newer_server_is_kept(server: StubServer, client: Client) -> None:
    server.refuses("too_purple")
    with pytest.raises(outofsync_client.OutOfSyncError) as caught:
        client.detect(b"x")
    assert caught.value.code == "too_purple"


@pytest.mark.parametrize(
    ("status", "kind", "message", "expected"),
    [
        (500, "InternalServerException", "Error executing deblur", outofsync_client.WorkerDiedError),
        (
            500,
            "InternalServerException",
            'Model "x" has no worker to serve inference',
            outofsync_client.BusyError,
        ),
        (503, "ServiceUnavailableException", 'Model "x" has no worker to serve', outofsync_client.BusyError),
        (507, "InternalServerException", "Worker died.", outofsync_client.WorkerDiedError),
        (507, "OutOfMemoryError", "Cannot reserve direct buffer memory", outofsync_client.BusyError),
        (404, "WorkflowNotFoundException", "Workflow not found", outofsync_client.NotDeployedError),
        (400, "InvalidKeyException", "Token Authorization failed.", outofsync_client.AuthenticationError),
        (400, "BadRequestException", "Invalid HTTP message.", outofsync_client.UnexpectedAnswerError),
        (401, "", "", outofsync_client.AuthenticationError),
        (429, "", "", outofsync_client.BusyError),
        (504, "", "", outofsync_client.RequestTimeoutError),
    ],
)
def test_torchserves_own_errors_are_typed(
    server: StubServer,
    client: Client,
    status: int,
    kind: str,
    message: str,
    expected: type[outofsync_client.OutOfSyncError],
) -> None:
    server.answers({"code": status, "type": kind, "message": message}, status)
    for call in (client.detect, client.deblur):
        with pytest.raises(expected) as caught:
            call(b"x")
        assert caught.value.status == FITTING.get((status, expected), status)


def test_an_upload_over_the_limit_is_too_large(client: Client) -> None:
    with pytest.raises(outofsync_client.TooLargeError, match="smaller file"):
        client.detect(bytes(5_000_000))


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[1]", b"{", b"{}", b'{"id": "x", "verdict": "real", "tracks": 7}']
)
def test_an_answer_that_is_no_result_is_unexpected(server: StubServer, client: Client, body: bytes) -> None:
    server.answer = lambda _: (200, body)
    with pytest.raises(outofsync_client.UnexpectedAnswerError):
        client.detect(b"x")


def test_deblurring_raises_an_error_that_came_as_data(server: StubServer, client: Client) -> None:
    server.refuses("corrupt_media")
    with pytest.raises(outofsync_client.CorruptMediaError):
        client.deblur(b"x")


def test_errors_survive_a_process_boundary() -> None:
    error = outofsync_client.NoAudioError("m", status=422, stage="probe", hint="h", request_id="r")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert json.dumps(copy.to_dict()) == json.dumps(error.to_dict())
