"""The first node as TorchServe drives it: a video or a clip, and errors in the same form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pretended_context import FakeContext
from untrained import write_checkpoints

from deblur_handler import DeblurHandler
from outofsync.clip import Clip
from serving.settings import ROOT

VIDEO = (ROOT / "serving" / "rollout" / "warm.mp4").read_bytes()


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoints(tmp_path_factory.mktemp("checkpoints"))


def handle(checkpoints: Path, name: str, *videos: bytes) -> tuple[list[bytes], FakeContext]:
    handler = DeblurHandler()
    handler.initialize(FakeContext(name, [], {}, str(checkpoints)))
    context = FakeContext(name, [{"X-OutOfSync-Request-Id": f"r{n}"} for n in range(len(videos))], {})
    return handler.handle([{"data": video} for video in videos], context), context


def test_alone_it_answers_videos(checkpoints: Path) -> None:
    (video, refused), context = handle(checkpoints, "deblur", VIDEO, b"no video")
    assert video[4:8] == b"ftyp"
    assert json.loads(refused)["error"]["request_id"] == "r1"
    assert context.statuses == {0: 200, 1: json.loads(refused)["error"]["status"]}


def test_in_the_workflow_it_answers_clips(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    answers, context = handle(checkpoints, "deepfake__deblur", b"no video", b"")
    errors = [Clip.from_bytes(answer).error for answer in answers]
    assert [error and error["request_id"] for error in errors] == ["r0", "r1"]
    assert context.statuses == {}
