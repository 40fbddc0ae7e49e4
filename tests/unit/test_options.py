"""Options are checked once, and nothing a caller misspells is ignored."""

from __future__ import annotations

import json
from typing import Any

import pytest

from outofsync.errors import ErrorCode, OutOfSyncError
from outofsync.options import Options


@pytest.mark.parametrize("raw", [None, b"", b"  ", "{}"])
def test_nothing_means_the_defaults(raw: bytes | str | None) -> None:
    assert Options.parse(raw) == Options()


def test_what_is_sent_is_what_is_used() -> None:
    sent = {
        "deblur": "never",
        "mode": "reference",
        "lam": 2,
        "max_len": 30,
        "include": ["delays", "features"],
        "video_track": 0,
        "audio_track": 2,
    }
    options = Options.parse(json.dumps(sent))
    assert options.to_dict() == sent


def test_tracks_that_nobody_names_are_not_told_to_nodes_that_do_not_know_them() -> None:
    assert not {"video_track", "audio_track"} & set(Options().to_dict())


@pytest.mark.parametrize(
    ("sent", "named"),
    [
        ({"deblurr": "auto"}, "deblurr"),
        ({"deblur": "sometimes"}, "sometimes"),
        ({"deblur": ["auto"]}, "deblur"),
        ({"mode": None}, "mode"),
        ({"lam": -1}, "lam"),
        ({"lam": "1"}, "lam"),
        ({"lam": True}, "lam"),
        ({"lam": 1e200}, "lam"),
        ({"lam": 10**400}, "lam"),
        ({"max_len": 51}, "max_len"),
        ({"max_len": 1}, "max_len"),
        ({"max_len": 10.5}, "max_len"),
        ({"max_len": True}, "max_len"),
        ({"audio_track": -1}, "audio_track"),
        ({"audio_track": "eng"}, "audio_track"),
        ({"video_track": True}, "video_track"),
        ({"include": "delays"}, "include"),
        ({"include": ["everything"]}, "everything"),
        ({"include": [1]}, "include"),
        ([], "object"),
        ("text", "object"),
    ],
)
def test_bad_options_are_named(sent: Any, named: str) -> None:
    with pytest.raises(OutOfSyncError, match=named) as caught:
        Options.parse(json.dumps(sent))
    assert caught.value.code is ErrorCode.BAD_OPTIONS


@pytest.mark.parametrize("raw", [b"{", b"\xff\xfe", b"[" * 100_000, b'{"lam": NaN}', b'{"lam": 1e999}'])
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    with pytest.raises(OutOfSyncError) as caught:
        Options.parse(raw)
    assert caught.value.code is ErrorCode.BAD_OPTIONS
