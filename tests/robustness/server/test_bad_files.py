"""Nothing a caller sends harms the server or anybody else's request."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from media_factory import Media
from server_fixture import LiveServer

pytestmark = pytest.mark.server

TEXT = b"This is a letter, not a video. " * 100
Make = Callable[[], bytes]


def truncated() -> bytes:
    """A file cut off before its index, which mp4 has at its end."""
    whole = Media().to_bytes()
    return whole[: len(whole) // 2]


BAD_FILES: dict[str, tuple[str, int, Make]] = {
    "text": ("unsupported_media", 415, lambda: TEXT),
    "nothing": ("empty_file", 422, lambda: b""),
    "truncated": ("corrupt_media", 422, truncated),
    "silent film": ("no_audio", 422, lambda: Media(audio=None).to_bytes()),
    "radio": ("no_video", 422, lambda: Media(video=None).to_bytes()),
    "three frames": ("too_short", 422, lambda: Media(frames=3).to_bytes()),
    "huge picture": ("too_many_pixels", 422, lambda: Media(frames=1, width=8192, height=8192).to_bytes()),
    "eleven minutes": (
        "too_long",
        422,
        lambda: Media(rate=1, frames=660, width=32, height=32, seconds=1).to_bytes(),
    ),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_gets_its_code_and_costs_no_worker(server: LiveServer, name: str) -> None:
    code, status, make = BAD_FILES[name]
    before = server.workers()
    error = server.detect_error(make(), request_id="bad-file-1")
    assert (error["code"], error["status"]) == (code, status)
    assert error["request_id"] == "bad-file-1"
    assert error["message"]
    assert error["hint"]
    assert server.workers() == before


@pytest.mark.parametrize(
    "options",
    ['{"deblur": "perhaps"}', '{"colour": 1}', "[]", "{", '{"max_len": 1e999}', "\x00", "[" * 100_000],
)
def test_bad_options_are_errors(server: LiveServer, options: str) -> None:
    form = {"data": ("video", Media().to_bytes()), "options": (None, options)}
    response = server.post("/wfpredict/deepfake", files=form)
    assert response.status_code == 200
    assert response.json()["error"]["code"] == "bad_options"
    assert response.json()["error"]["status"] == 400


@pytest.mark.parametrize("body", ["{}", "[1, 2]", "3", "null", '"text"', "{bad"])
def test_a_json_body_is_no_video(server: LiveServer, body: str) -> None:
    """TorchServe parses such bodies before it hands them over."""
    response = server.post("/wfpredict/deepfake", data=body, headers={"Content-Type": "application/json"})
    assert response.json()["error"]["code"] == "unsupported_media"


def test_a_header_named_like_a_field_changes_nothing(server: LiveServer) -> None:
    form = {"data": ("video", TEXT), "options": (None, "{}")}
    response = server.post(
        "/wfpredict/deepfake", files=form, headers={"data": "x", "options": "x", "body": "x"}
    )
    assert response.json()["error"]["code"] == "unsupported_media"


def test_one_bad_file_among_good_ones_fails_alone(server: LiveServer) -> None:
    good, bad = Media().to_bytes(), truncated()
    files = [good, bad, good, TEXT, good, good, bad, good]
    with ThreadPoolExecutor(len(files)) as pool:
        answers = list(pool.map(server.detect, files))
    assert ["error" in answer for answer in answers] == [file is not good for file in files]
    judged = [json.dumps({**answer, "timing_ms": 0}) for answer in answers if "error" not in answer]
    assert len(set(judged)) == 1, "the same file has the same answer whatever batch it travelled in"


def test_failed_requests_leave_no_threads_behind(server: LiveServer) -> None:
    """A workflow request that fails inside TorchServe costs it a thread for ever; ours fail as data."""
    before = server.workers()

    def fail(count: int) -> int:
        for index in range(count):
            assert "error" in server.detect(TEXT if index % 2 else b"")
        return int(server.java().num_threads())

    settled = fail(20)
    # A leak would show 200 more; Java starts and ends a few of its own (compilers, collectors) as it likes.
    assert fail(200) < settled + 20
    assert server.workers() == before
