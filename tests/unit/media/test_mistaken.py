"""Callers who send something else than a video's bytes are told what they sent."""

from __future__ import annotations

import base64
import gzip
import json

import pytest

from outofsync.errors import ErrorCode, OutOfSyncError
from outofsync.media.containers import recognise

FILM = b"\x00\x00\x00\x18ftypmp42" + bytes(range(256)) * 20


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (base64.b64encode(FILM), "base64"),
        (base64.encodebytes(FILM), "base64"),
        (b"data:video/mp4;base64," + base64.b64encode(FILM), "base64"),
        (json.dumps({"data": base64.b64encode(FILM).decode()}).encode(), "JSON"),
        (gzip.compress(FILM), "gzip"),
        (b"PK\x03\x04" + FILM, "ZIP"),
        (b"\x00\x05\x16\x07" + b"\x00\x02" + bytes(16) + b"Mac OS X", "Mac's notes"),
        (b"\xff\xd8\xff\xe1" + bytes(5000) + FILM, "a photo with a video inside"),
        (b"\xff\xd8\xff\xe1" + bytes(5000), "a picture"),
        (b"#EXTM3U\nhttp://localhost/a.ts\n", "playlist"),
        (b"<!doctype html><video src=a.mp4>", "page"),
        (b"hello, this is text\n" * 50, "not a video file"),
    ],
)
def test_what_was_sent_instead_is_named(sent: bytes, said: str) -> None:
    with pytest.raises(OutOfSyncError, match=said) as caught:
        recognise(sent)
    assert caught.value.code is ErrorCode.UNSUPPORTED_MEDIA
    assert caught.value.hint.startswith(("Send", "Decode", "Unpack", "Export", "Download"))
