"""A form reaches a server with one file and the options, and with nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from email.parser import BytesParser
from typing import Any

import pytest
import requests
from unit.gateway.conftest import LiveGateway

from gateway.errors import EdgeError
from gateway.form import Form

VIDEO = bytes(range(256)) * 500


def encoded(fields: dict[str, Any]) -> tuple[str, bytes]:
    """A form as a caller's library writes it."""
    prepared = requests.Request("POST", "http://localhost", files=fields).prepare()
    assert isinstance(prepared.body, bytes)
    return prepared.headers["Content-Type"], prepared.body


def rewritten(content_type: str, body: bytes, *, piece: int = 1 << 16) -> dict[str, bytes]:
    """The fields that a server would read."""

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), piece):
            yield body[start : start + piece]

    async def collect(form: Form) -> bytes:
        return b"".join([chunk async for chunk in form.rewrite(pieces())])

    form = Form(content_type)
    out = asyncio.run(collect(form))
    message = BytesParser().parsebytes(f"Content-Type: {form.content_type}\r\n\r\n".encode() + out)
    return {
        str(part.get_param("name", header="content-disposition")): bytes(part.get_payload(decode=True) or b"")
        for part in message.walk()
        if not part.is_multipart()
    }


@pytest.mark.parametrize("piece", [1, 7, 1 << 16])
@pytest.mark.parametrize("field", ["data", "file"])
def test_file_and_options_pass_whole(field: str, piece: int) -> None:
    options = json.dumps({"deblur": "never"})
    content_type, body = encoded({field: ('a "name".mp4', VIDEO[:5000]), "options": (None, options)})
    assert rewritten(content_type, body, piece=piece) == {field: VIDEO[:5000], "options": options.encode()}


@pytest.mark.parametrize("piece", [1, 7, 1 << 16])
def test_a_form_may_have_a_preamble(piece: int) -> None:
    content_type, body = encoded({"data": ("a", VIDEO[:5000])})
    preamble = b"This is a message with several parts.\r\n--not the boundary\r\n"
    assert rewritten(content_type, preamble + body, piece=piece) == {"data": VIDEO[:5000]}


def test_a_form_whose_lines_end_otherwise_is_told_so() -> None:
    content_type, body = encoded({"data": ("a", b"x")})
    with pytest.raises(EdgeError, match="must end with CR LF"):
        rewritten(content_type, body.replace(b"\r\n", b"\n"))


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        ("/v1/detect?deblur=never", {}, 400, "bad_options"),
        ("/v1/deblur?x", {}, 400, "bad_options"),
        ("/v1/detect", {"Content-Encoding": "gzip"}, 415, "unsupported_media"),
    ],
)
def test_what_would_be_ignored_is_refused(
    live: LiveGateway, path: str, headers: dict[str, str], status: int, code: str
) -> None:
    response = live.ask("POST", path, content=b"x", headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert not live.servers[0].asked


def malformed() -> Iterator[tuple[str, str, bytes]]:
    content_type, body = encoded({"data": ("a", b"x")})
    yield "no boundary", "multipart/form-data", body
    yield "too long a boundary", f"multipart/form-data; boundary={'x' * 999}", body
    yield "cut short", content_type, body[:-20]
    yield "not a form", content_type, b"whatever"
    yield "an unknown field", *encoded({"data": ("a", b"x"), "colour": (None, "red")})
    yield "a field without a name", *encoded({"": ("a", b"x")})
    yield "long options", *encoded({"options": (None, "x" * 70_000)})
    two = [("data", ("a", b"x")), ("file", ("b", b"y"))]
    prepared = requests.Request("POST", "http://localhost", files=two).prepare()
    assert isinstance(prepared.body, bytes)
    yield "two files", prepared.headers["Content-Type"], prepared.body


MALFORMED = {name: (content_type, body) for name, content_type, body in malformed()}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_form_of_ours_is_refused(name: str) -> None:
    with pytest.raises(EdgeError) as caught:
        rewritten(*MALFORMED[name])
    assert caught.value.code == "bad_options"


def test_a_refused_form_is_an_answer(live: LiveGateway) -> None:
    response = live.ask("POST", "/v1/detect", files={"data": ("a", VIDEO), "colour": (None, "red")})
    assert response.status_code == 400
    assert "'colour'" in response.json()["error"]["message"]


def test_three_hundred_thousand_fields_end_at_the_first(live: LiveGateway) -> None:
    fields = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="f%d"\r\n\r\n\r\n' % n for n in range(300_000)
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    response = live.ask("POST", "/v1/detect", content=fields + b"--b--\r\n", headers=headers)
    assert response.status_code == 400
    assert not live.servers[0].asked


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/x-www-form-urlencoded", "video/mp4", "multipart/mixed"]
)
@pytest.mark.parametrize("sent", [b'{"a": 1}', b"deblur=never&mode=full", bytes(range(256))])
def test_a_bare_body_is_a_file_whatever_it_calls_itself(
    live: LiveGateway, sent: bytes, content_type: str
) -> None:
    """TorchServe would parse JSON, and fail on what is no urlencoded form."""
    live.detect(sent, headers={"Content-Type": content_type})
    _, headers, body = live.servers[0].asked[0]
    assert (headers["content-type"], body) == ("application/octet-stream", sent)
