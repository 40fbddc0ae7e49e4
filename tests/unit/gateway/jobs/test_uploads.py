"""Uploads in pieces (tus 1.0.0): they go on from where they broke, and become a job."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from unit.gateway.conftest import RESULT, LiveGateway, MakeGateway, wait_until

from gateway import keys
from gateway.jobs.settings import UPLOAD_S, JobSettings

TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {**TUS, "Content-Type": "application/offset+octet-stream"}
VIDEO = bytes(range(256)) * 40


def metadata(**values: str) -> dict[str, str]:
    pairs = [f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in values.items()]
    return {"Upload-Metadata": ",".join(pairs)}


def begin(live: LiveGateway, length: int = len(VIDEO), **told: str) -> str:
    headers = {**TUS, "Upload-Length": str(length), **metadata(**told)}
    answer = live.ask("POST", "/v1/uploads", headers=headers)
    assert answer.status_code == 201, answer.text
    assert answer.headers["tus-resumable"] == "1.0.0"
    return str(answer.headers["location"])


def append(live: LiveGateway, upload: str, offset: int, piece: bytes, **request: Any) -> httpx.Response:
    headers = {**PIECE, "Upload-Offset": str(offset), **request.pop("headers", {})}
    return live.ask("PATCH", upload, content=piece, headers=headers, **request)


def offset(live: LiveGateway, upload: str) -> int:
    answer = live.ask("HEAD", upload, headers=TUS)
    assert answer.status_code == 200
    return int(answer.headers["upload-offset"])


def submit(live: LiveGateway, upload: str, **request: Any) -> httpx.Response:
    return live.ask("POST", f"/v1/jobs?upload={upload.rsplit('/', 1)[1]}", **request)


def test_pieces_become_a_job_with_the_options_that_were_told(live: LiveGateway) -> None:
    upload = begin(live, filename="a/talk.mp4", options=json.dumps({"mode": "reference"}))
    assert append(live, upload, 0, VIDEO[:4000]).headers["upload-offset"] == "4000"
    early = submit(live, upload)
    assert (early.status_code, early.json()["error"]["code"]) == (400, "bad_options")
    assert append(live, upload, 4000, VIDEO[4000:]).status_code == 204
    job = submit(live, upload).json()
    assert (job["file"], job["sha256"]) == ("talk.mp4", hashlib.sha256(VIDEO).hexdigest())
    done = live.ask("GET", f"/v1/jobs/{job['id']}", headers={"Prefer": "wait=30"}).json()
    assert (done["state"], done["result"]) == ("done", RESULT)
    body = live.servers[0].asked[-1][2]
    form = live.ask("POST", "/v1/detect", files={"data": VIDEO}, data={"options": '{"mode": "reference"}'})
    assert form.status_code == 200
    assert VIDEO in body
    assert b'"mode": "reference"' in body
    assert not list((live.servers[0].state / "jobs" / "uploads").iterdir())
    assert live.ask("HEAD", upload, headers=TUS).status_code == 404


def test_handing_in_twice_makes_one_job(live: LiveGateway) -> None:
    upload = begin(live)
    append(live, upload, 0, VIDEO)
    key = {"Idempotency-Key": "once"}
    assert submit(live, upload, content=b"a body as well").status_code == 400
    first = submit(live, upload, headers=key)
    again = submit(live, upload, headers=key)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]


def test_an_upload_whose_connection_breaks_goes_on_from_there(live: LiveGateway) -> None:
    upload = begin(live)
    place = urlsplit(live.url)
    with socket.create_connection((place.hostname or "", place.port or 0)) as caller:
        head = f"PATCH {upload} HTTP/1.1\r\nHost: x\r\nX-Api-Key: {live.key}\r\nTus-Resumable: 1.0.0\r\n"
        head += f"Content-Type: {PIECE['Content-Type']}\r\nUpload-Offset: 0\r\n"
        head += f"Content-Length: {len(VIDEO)}\r\n\r\n"
        caller.sendall(head.encode() + VIDEO[:8000])
        wait_until(lambda: offset(live, upload) == 8000)
    wait_until(lambda: append(live, upload, 8000, VIDEO[8000:]).status_code == 204)
    assert submit(live, upload).json()["sha256"] == hashlib.sha256(VIDEO).hexdigest()


def test_what_does_not_fit_is_refused_and_changes_nothing(live: LiveGateway) -> None:
    upload = begin(live)
    append(live, upload, 0, VIDEO[:100])
    assert append(live, upload, 50, b"x").status_code == 409
    assert append(live, upload, 100, VIDEO).status_code == 413
    assert append(live, upload, 100, b"x", headers={"Content-Type": "text/plain"}).status_code == 415
    assert append(live, upload, 100, b"x", headers={"Upload-Offset": "many"}).status_code == 400
    assert live.ask("HEAD", upload).status_code == 412
    assert live.ask("HEAD", upload, key="", headers=TUS).status_code == 401
    other = keys.add(live.keys, "other")
    assert live.ask("HEAD", upload, key=other, headers=TUS).status_code == 404
    assert submit(live, upload, headers={"X-Api-Key": other}).status_code == 404
    assert live.ask("DELETE", upload, headers=TUS).status_code == 204
    assert live.ask("HEAD", upload, headers=TUS).status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400),
        ({"Upload-Length": "0"}, 400),
        ({"Upload-Length": "-1"}, 400),
        ({"Upload-Length": "9" * 14}, 413),
        ({"Upload-Length": "9", **metadata(options='{"mode": "best"}')}, 400),
        ({"Upload-Length": "9", "Upload-Metadata": "filename ???"}, 400),
    ],
)
def test_an_upload_that_makes_no_sense_is_not_begun(
    live: LiveGateway, headers: dict[str, str], status: int
) -> None:
    assert live.ask("POST", "/v1/uploads", headers={**TUS, **headers}).status_code == status


def test_a_key_has_so_many_at_a_time(make_gateway: MakeGateway) -> None:
    live = make_gateway(jobs=JobSettings(most_pieces=2))
    begin(live), begin(live)
    refused = live.ask("POST", "/v1/uploads", headers={**TUS, "Upload-Length": "9"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "busy")
    other = keys.add(live.keys, "other")
    headers = {**TUS, "Upload-Length": "9", "X-Api-Key": other}
    assert live.ask("POST", "/v1/uploads", headers=headers).status_code == 201


def test_what_stands_still_expires(live: LiveGateway) -> None:
    upload = begin(live)
    desk = live.gateway.jobs.engine.desk
    assert desk is not None
    (path,) = (live.servers[0].state / "jobs" / "uploads").iterdir()
    desk.pieces.expire(-1.0)
    assert not path.exists()
    assert live.ask("HEAD", upload, headers=TUS).status_code == 404
    kept = begin(live)
    os.utime(live.servers[0].state, (time.time(), time.time()))
    desk.pieces.expire(UPLOAD_S)
    assert offset(live, kept) == 0


def test_what_is_spoken_is_told_without_a_key(live: LiveGateway) -> None:
    answer = live.ask("OPTIONS", "/v1/uploads", key="")
    assert (answer.status_code, answer.headers["tus-version"]) == (204, "1.0.0")
    assert "creation" in answer.headers["tus-extension"]


def test_whoever_hangs_up_while_sending_leaves_no_job(live: LiveGateway) -> None:
    place = urlsplit(live.url)
    uploads = live.servers[0].state / "jobs" / "uploads"
    with socket.create_connection((place.hostname, place.port)) as caller:
        head = f"POST /v1/jobs HTTP/1.1\r\nHost: here\r\nX-Api-Key: {live.key}\r\n"
        caller.sendall(f"{head}Content-Length: {len(VIDEO)}\r\n\r\n".encode() + VIDEO[:5000])
        wait_until(lambda: uploads.exists() and list(uploads.iterdir()))
    wait_until(lambda: not list(uploads.iterdir()))
    assert live.ask("GET", "/v1/jobs").json()["jobs"] == []
    assert live.servers[0].asked == []
