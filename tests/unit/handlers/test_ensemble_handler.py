"""The second node as TorchServe drives it: crafted clips, and batches that break late."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pretended_context import FakeContext
from safetensors.numpy import load, save
from untrained import write_checkpoints

from ensemble_handler import EnsembleHandler
from outofsync.clip import Clip, Track
from outofsync.frames import FrameStore, JpegFrames, RawFrames
from outofsync.judgement import Judgement
from outofsync.reasons import Reason
from outofsync.result import Result

ENVELOPE = {
    "code": "no_audio",
    "status": 422,
    "stage": "probe",
    "message": "It is mute.",
    "hint": "",
    "request_id": "abc",
}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoints(tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture
def handler(checkpoints: Path) -> EnsembleHandler:
    handler = EnsembleHandler()
    handler.initialize(FakeContext("ensemble", [], {}, str(checkpoints)))
    return handler


def handle(handler: EnsembleHandler, *clips: bytes) -> tuple[list[dict[str, Any]], FakeContext]:
    context = FakeContext("ensemble", [{"X-OutOfSync-Request-Id": f"r{n}"} for n in range(len(clips))], {})
    answers = handler.handle([{"data": clip} for clip in clips], context)
    return [json.loads(answer) for answer in answers], context


def clip(request_id: str = "plain") -> bytes:
    """A clip that shows nobody."""
    return Clip([], np.zeros(0, np.int16), request_id=request_id, reasons=[Reason.NO_FACE.stated]).to_bytes()


def crafted(**header: Any) -> bytes:
    """The same with other values in its header."""
    data = clip("crafted")
    length = int.from_bytes(data[:8], "little")
    written = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["header"])
    return bytes(save(load(data), {"header": json.dumps({**written, **header})}))


def with_pictures(*coded: bytes) -> bytes:
    """A clip of one face whose pictures are these bytes."""
    return with_track(JpegFrames(coded))


def with_track(frames: FrameStore | None = None, **tensors: Any) -> bytes:
    """A clip of one face whose tensors are not what they should be."""
    frames = frames or RawFrames(np.zeros((8, 224, 224, 3), np.uint8))
    track = Track(0, 0, frames, np.zeros((len(frames), 4), np.float32))
    data = Clip([track], np.zeros(8 * 640, np.int16), request_id="crafted").to_bytes()
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    return bytes(
        save({**load(data), **{f"track.0.{name}": value for name, value in tensors.items()}}, metadata)
    )


HOSTILE_HEADERS: list[dict[str, Any]] = [
    {"error": {}},
    {"error": []},
    {"error": "no"},
    {"error": {"code": "internal"}},
    {"error": {**ENVELOPE, "status": "422"}},
    {"error": {**ENVELOPE, "status": 7}},
    {"error": {**ENVELOPE, "message": None}},
    {"reasons": "silence"},
    {"reasons": ["silence"]},
    {"reasons": [{}]},
    {"reasons": [{"code": 1, "message": ""}]},
    {"reasons": [{"code": "no face\nOUTOFSYNC {}", "message": ""}]},
    {"timing_ms": None},
    {"timing_ms": {"decode": "long"}},
    {"tracks": [5]},
    {"tracks": [{}]},
    {"tracks": [{"id": 0, "start": 0}]},
    {"media": {"width": float("nan")}},
    {"media": {"width": float("inf")}},
    {"digest": None, "request_id": 5},
    {"handed_on_s": "now"},
    {"colour": "red"},
]
HOSTILE_TENSORS: list[dict[str, Any]] = [
    {"raw": np.zeros((8, 100, 100, 3), np.uint8)},
    {"raw": np.zeros((8, 224, 224, 3), np.float32)},
    {"boxes": np.zeros((3, 4), np.float32)},
    {"sharpness": np.zeros(3, np.float32)},
    {"sharpness": np.zeros(8, np.float64)},
    {"sharpness": np.full(8, np.nan, np.float32)},
    {"boxes": np.full((8, 4), np.inf, np.float32)},
]
PICTURE = JpegFrames.encode(np.zeros((224, 224, 3), np.uint8))
SMALL = JpegFrames.encode(np.zeros((100, 100, 3), np.uint8))
HOSTILE_PICTURES = [
    [*[PICTURE] * 7, b"no picture"],
    [*[PICTURE] * 7, b""],
    [*[PICTURE] * 7, PICTURE[:20]],
    [*[PICTURE] * 7, SMALL],
    [SMALL] * 8,
    [*[PICTURE] * 7, PICTURE.replace(bytes([224, 0, 224]), bytes([128, 128, 0]))],  # it claims 32,768 pixels
    [*[PICTURE] * 7, cv2.imencode(".png", np.zeros((224, 224, 3), np.uint8))[1].tobytes()],
]


@pytest.mark.parametrize(
    "hostile",
    [crafted(**header) for header in HOSTILE_HEADERS]
    + [with_track(**each) for each in HOSTILE_TENSORS]
    + [with_pictures(*each) for each in HOSTILE_PICTURES],
)
def test_a_crafted_clip_fails_alone(handler: EnsembleHandler, hostile: bytes) -> None:
    (refused, judged), context = handle(handler, hostile, clip())
    assert refused["error"]["code"] == "corrupt_media"
    assert refused["error"]["request_id"] == "r0"
    assert judged["verdict"] == "inconclusive"
    assert context.statuses == {0: 422, 1: 200}
    assert context.metrics.counted["outofsync_verdicts_total{1.0}{inconclusive}"] == 1
    assert context.metrics.counted["outofsync_errors_total{1.0}{corrupt_media}{request}"] == 1


def test_options_of_a_crafted_clip_are_checked_like_any_others(handler: EnsembleHandler) -> None:
    (refused, judged), _ = handle(handler, crafted(options={"lam": -1}), clip())
    assert refused["error"]["code"] == "bad_options"
    assert judged["verdict"] == "inconclusive"


def test_an_error_of_the_node_before_is_passed_on_and_told_there(handler: EnsembleHandler) -> None:
    """Of another version, too: its codes and hints may be new here."""
    error = {**ENVELOPE, "code": "too_dark", "hint": "Switch on the light."}
    (passed_on,), context = handle(handler, crafted(error={**error, "trace": "/home"}))
    assert passed_on["error"] == error
    assert context.statuses == {0: 422}
    assert not [name for name in context.metrics.counted if name.startswith("outofsync_errors_total")]


def test_a_batch_that_breaks_late_counts_each_request_once(
    handler: EnsembleHandler, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its requests run again one by one, and the first of them had been judged already."""
    result, calls = Judgement.result, []

    def fails_at_the_second(judgement: Judgement) -> Result:
        calls.append(judgement)
        if len(calls) == 2:
            raise RuntimeError("out of memory")
        return result(judgement)

    monkeypatch.setattr(Judgement, "result", fails_at_the_second)
    with caplog.at_level("INFO"):
        answers, context = handle(handler, clip("a"), clip("b"))
    assert [answer["verdict"] for answer in answers] == ["inconclusive", "inconclusive"]
    assert len(calls) == 4
    assert context.metrics.counted["outofsync_verdicts_total{1.0}{inconclusive}"] == 2
    told = [line for line in caplog.messages if '"verdict"' in line]
    assert len(told) == 2
