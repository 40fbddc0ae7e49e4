"""Callbacks: signed, repeated under one id, and only to where the operator lets them go."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
from standardwebhooks import Webhook, WebhookVerificationError
from unit.gateway.conftest import RESULT, LiveGateway, MakeGateway, said, wait_until

from gateway import keys
from gateway.callback_sender import RefusedError, Target, is_public
from gateway.jobs import workflows
from gateway.jobs.settings import JobSettings


class Receiver(ThreadingHTTPServer):
    """A caller's own server: what it was sent, and what it answers to that."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.heard: list[tuple[str, dict[str, str], str]] = []
        self.statuses: list[int] = []  # of the next answers; 204 once there are none
        self.place = f"http://127.0.0.1:{self.server_address[1]}"
        self.url = f"{self.place}/hook?from=us"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.heard.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        status = self.server.statuses.pop(0) if self.server.statuses else 204
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", f"{self.server.place}/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def live(make_gateway: MakeGateway, receiver: Receiver) -> LiveGateway:
    return make_gateway(jobs=JobSettings(callbacks=(receiver.place, "hooks.example")))


@pytest.fixture
def secret(live: LiveGateway) -> str:
    answer = live.ask("POST", "/v1/callback-secret")
    assert answer.status_code == 201
    return str(answer.json()["secret"])


def submit(live: LiveGateway, url: str, **request: Any) -> str:
    answer = live.ask("POST", "/v1/jobs", params={"callback": url}, content=b"video", **request)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def callback(live: LiveGateway, job: str) -> dict[str, Any]:
    found: dict[str, Any] = live.ask("GET", f"/v1/jobs/{job}").json()["callback"]
    return found


def test_the_end_of_a_job_is_told_and_signed(live: LiveGateway, receiver: Receiver, secret: str) -> None:
    job = submit(live, receiver.url)
    wait_until(lambda: callback(live, job)["state"] == "delivered")
    ((path, headers, body),) = receiver.heard
    event = Webhook(secret).verify(body, headers)
    assert (path, headers["webhook-id"], event["type"]) == ("/hook?from=us", job, "job.ended")
    assert (event["data"]["id"], event["data"]["verdict"]) == (job, RESULT["verdict"])
    (attempt,) = callback(live, job)["attempts"]
    assert (attempt["status"], attempt["problem"]) == (204, None)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body.replace("real", "fake"), headers)


def test_it_is_told_at_once_and_not_when_somebody_next_keeps_house(
    make_gateway: MakeGateway, receiver: Receiver
) -> None:
    live = make_gateway(jobs=JobSettings(callbacks=(receiver.place,), lease_s=86_400.0))
    assert live.ask("POST", "/v1/callback-secret").status_code == 201
    job = submit(live, receiver.url)
    wait_until(lambda: callback(live, job)["state"] == "delivered")


def test_what_was_not_heard_is_said_again_under_the_same_id(
    live: LiveGateway, receiver: Receiver, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workflows, "PAUSES_S", (0.01, 0.01, 0.01))
    receiver.statuses = [500, 302, 200]
    job = submit(live, receiver.url)
    wait_until(lambda: callback(live, job)["state"] == "delivered")
    assert [one["status"] for one in callback(live, job)["attempts"]] == [500, 302, 200]
    counted = [live.metric("outofsync_callbacks_total", state=state) for state in ("pending", "delivered")]
    assert counted == [2, 1]
    assert {(path, headers["webhook-id"]) for path, headers, _ in receiver.heard} == {("/hook?from=us", job)}
    assert all(Webhook(secret).verify(body, headers) for _, headers, body in receiver.heard)


def test_it_is_given_up_in_the_end_or_where_the_receiver_is_gone(
    live: LiveGateway, receiver: Receiver, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert secret
    monkeypatch.setattr(workflows, "PAUSES_S", (0.01,))
    receiver.statuses = [410, 500, 503]
    for answers in ([410], [500, 503]):
        job = submit(live, receiver.url)
        wait_until(lambda job=job: callback(live, job)["state"] == "given_up")  # type: ignore[misc]
        assert [one["status"] for one in callback(live, job)["attempts"]] == answers
    receiver.server_close()
    job = submit(live, receiver.url)
    wait_until(lambda: callback(live, job)["state"] == "given_up")
    assert [one["problem"] for one in callback(live, job)["attempts"]] == ["ConnectError"] * 2


def test_failed_and_cancelled_jobs_are_told_of_too(
    live: LiveGateway, receiver: Receiver, secret: str
) -> None:
    assert secret
    error = {"code": "no_audio", "status": 422, "stage": "decode", "message": "mute", "hint": ""}
    live.servers[0].answer = lambda *_: said({"error": {**error, "request_id": ""}}, 422)
    submit(live, receiver.url)
    wait_until(lambda: receiver.heard)
    data = json.loads(receiver.heard[0][2])["data"]
    assert (data["state"], data["failure"]["code"]) == ("failed", "no_audio")
    go_on = threading.Event()

    def wait(*_: object) -> Any:
        go_on.wait(30)
        return said(RESULT)

    live.servers[0].answer = wait
    job = submit(live, receiver.url)
    assert live.ask("DELETE", f"/v1/jobs/{job}").status_code == 200
    wait_until(lambda: len(receiver.heard) > 1)
    go_on.set()
    assert json.loads(receiver.heard[1][2])["data"]["state"] == "cancelled"


def test_a_new_secret_signs_beside_the_one_before_and_each_key_has_its_own(
    live: LiveGateway, receiver: Receiver, secret: str
) -> None:
    second = live.ask("POST", "/v1/callback-secret").json()["secret"]
    other = keys.add(live.keys, "other")
    theirs = live.ask("POST", "/v1/callback-secret", key=other).json()["secret"]
    submit(live, receiver.url)
    wait_until(lambda: receiver.heard)
    _, headers, body = receiver.heard[0]
    assert Webhook(secret).verify(body, headers) == Webhook(second).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(theirs).verify(body, headers)
    third = live.ask("POST", "/v1/callback-secret").json()["secret"]
    submit(live, receiver.url)
    wait_until(lambda: len(receiver.heard) > 1)
    _, headers, body = receiver.heard[1]
    assert Webhook(second).verify(body, headers) == Webhook(third).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body, headers)


def test_a_key_without_a_secret_is_not_called_back(live: LiveGateway, receiver: Receiver) -> None:
    answer = live.ask("POST", "/v1/jobs", params={"callback": receiver.url}, content=b"video")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_options")
    assert "secret" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/hook",
        "http://localhost/hook",
        "https://169.254.169.254/latest/meta-data",
        "https://elsewhere.example/hook",
        "https://hooks.example.evil.example/",
        "https://user:word@hooks.example/",
        "http://hooks.example/",
        "https://hooks.example:8443/",
        "https://hooks.example:port/",
        "ftp://hooks.example/",
        "hooks.example",
        "https://",
        "https://[::1",
        "https://hooks.example/" + "a" * 1000,
        "https://hooks.example/ with a space",
        "https://hööks.example/",
    ],
)
def test_what_the_operator_has_not_allowed_is_refused(live: LiveGateway, secret: str, url: str) -> None:
    assert secret
    answer = live.ask("POST", "/v1/jobs", params={"callback": url}, content=b"video")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_options"), url


def test_nobody_is_called_unless_the_operator_says_so() -> None:
    with pytest.raises(RefusedError, match="not allowed at this server"):
        Target.of("https://hooks.example/", ())


def test_names_may_be_allowed_by_pattern_but_numbers_only_as_they_are() -> None:
    assert Target.of("https://a.hooks.example/x", ("*.hooks.example",)).host == "a.hooks.example"
    assert Target.of("https://8.8.8.8/x", ("8.8.8.8",)).literal
    for url, allowed in (("https://hooks.example/", "*.hooks.example"), ("https://10.0.0.1/", "10.*")):
        with pytest.raises(RefusedError):
            Target.of(url, (allowed,))
    with pytest.raises(RefusedError):
        Target.of("https://10.0.0.1/", ("*",))


@pytest.mark.parametrize(
    "number",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "::ffff:10.0.0.1", "ff02::1"),
        *("64:ff9b::a00:1", "2002:a00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
    ],
)
def test_private_numbers_are_nobodys_to_call(number: str) -> None:
    assert not is_public(number)


@pytest.mark.parametrize("number", ["8.8.8.8", "2606:4700::1111"])
def test_public_numbers_are(number: str) -> None:
    assert is_public(number)


@pytest.mark.parametrize("numbers", [["10.0.0.1"], ["8.8.8.8", "127.0.0.1"], []])
def test_a_name_that_leads_into_a_private_network_is_refused_when_it_is_looked_up(
    numbers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look() -> None:
        async def found(*_: object, **__: object) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (number, 443)) for number in numbers]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", found, raising=False)
        await Target.of("https://hooks.example/", ("hooks.example",)).address()

    with pytest.raises(RefusedError, match="private network"):
        asyncio.run(look())


@pytest.fixture
def authority() -> trustme.CA:
    """Nobody's but this test's."""
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA, receiver: Receiver) -> Receiver:
    """The receiver, by https."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    receiver.socket = context.wrap_socket(receiver.socket, server_side=True)
    receiver.place = receiver.place.replace("http:", "https:")
    receiver.url = f"{receiver.place}/hook?from=us"
    return receiver


def secured(make_gateway: MakeGateway, receiver: Receiver, certificates: Path | None) -> LiveGateway:
    return make_gateway(jobs=JobSettings(callbacks=(receiver.place,), callbacks_ca=certificates))


def test_a_receiver_is_called_by_https_where_its_certificate_is_vouched_for(
    make_gateway: MakeGateway, secure: Receiver, authority: trustme.CA, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    live = secured(make_gateway, secure, tmp_path / "ca.pem")
    secret = live.ask("POST", "/v1/callback-secret").json()["secret"]
    job = submit(live, secure.url)
    wait_until(lambda: callback(live, job)["state"] == "delivered")
    ((_, headers, body),) = secure.heard
    assert Webhook(secret).verify(body, headers)["data"]["id"] == job


@pytest.mark.parametrize("known", ["another authority", "the system's", "another name"])
def test_a_receiver_whom_nobody_vouches_for_hears_nothing(
    make_gateway: MakeGateway,
    receiver: Receiver,
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    known: str,
) -> None:
    monkeypatch.setattr(workflows, "PAUSES_S", (0.01,))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("another.example" if known == "another name" else "127.0.0.1").configure_cert(
        context
    )
    receiver.socket = context.wrap_socket(receiver.socket, server_side=True)
    receiver.handle_error = lambda *_: None  # type: ignore[method-assign]  # handshakes are to fail
    receiver.place = receiver.place.replace("http:", "https:")
    vouching = trustme.CA() if known == "another authority" else authority
    vouching.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    live = secured(make_gateway, receiver, None if known == "the system's" else tmp_path / "ca.pem")
    live.ask("POST", "/v1/callback-secret")
    job = submit(live, f"{receiver.place}/hook")
    wait_until(lambda: callback(live, job)["state"] == "given_up")
    assert {one["problem"] for one in callback(live, job)["attempts"]} == {"ConnectError"}
    assert receiver.heard == []
