"""Clips survive the way between nodes, and damaged ones are refused."""

from __future__ import annotations

import numpy as np
import pytest

from outofsync.clip import Clip, Track, is_clip
from outofsync.errors import ErrorCode, OutOfSyncError, Stage
from outofsync.frames import JpegFrames, RawFrames
from outofsync.options import Options

RANDOM = np.random.default_rng(5)


def smooth_frames(count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    ramp = np.linspace(0, 255, 224)
    frame = np.stack([np.add.outer(ramp, ramp) / 2, np.tile(ramp, (224, 1)), np.full((224, 224), 90)], -1)
    return np.stack([np.roll(frame, 5 * number, 0) for number in range(count)]).astype(np.uint8)


def clip() -> Clip:
    frames = smooth_frames(4)
    coded = JpegFrames()
    for frame in frames:
        coded.append(frame)
    boxes = np.tile(np.array([1, 2, 3, 4], np.float32), (4, 1))
    tracks = [
        Track(0, 7, RawFrames(frames), boxes),
        Track(3, 0, coded, boxes, sharpness=np.arange(4, dtype=np.float32)),
    ]
    audio = RANDOM.integers(-32768, 32767, 6400).astype(np.int16)
    return Clip(tracks, audio, options=Options(mode="reference", lam=0.5), digest="ab", media={"width": 640})


def test_everything_survives_the_way() -> None:
    sent = clip()
    got = Clip.from_bytes(sent.to_bytes())
    assert (got.options, got.digest, got.media, got.error) == (sent.options, "ab", {"width": 640}, None)
    np.testing.assert_array_equal(got.audio, sent.audio)
    for before, after in zip(sent.tracks, got.tracks, strict=True):
        assert (after.id, after.start, after.stop) == (before.id, before.start, before.stop)
        np.testing.assert_array_equal(after.frames.read(1, 3), before.frames.read(1, 3))
        np.testing.assert_array_equal(after.boxes, before.boxes)
        np.testing.assert_array_equal(after.sharpness, before.sharpness)


def test_the_same_clip_gives_the_same_bytes() -> None:
    sent = clip()
    assert sent.to_bytes() == sent.to_bytes()
    assert Clip.from_bytes(sent.to_bytes()).to_bytes() == sent.to_bytes()


def test_coded_frames_stay_close() -> None:
    frames = smooth_frames(1)
    coded = JpegFrames([JpegFrames.encode(frames[0])])
    assert np.abs(coded.read(0, 1).astype(int) - frames).mean() < 2


@pytest.mark.parametrize(
    "store", [RawFrames(smooth_frames(2)), JpegFrames([JpegFrames.encode(f) for f in smooth_frames(2)])]
)
def test_frames_can_be_replaced(store: RawFrames | JpegFrames) -> None:
    before = store.read(0, 1).copy()
    store.replace(1, np.full((224, 224, 3), 40, np.uint8))
    assert np.abs(store.read(1, 2).astype(int) - 40).max() <= 1
    np.testing.assert_array_equal(store.read(0, 1), before)


def test_frames_of_a_received_clip_can_be_replaced() -> None:
    store = Clip.from_bytes(clip().to_bytes()).tracks[0].frames
    store.replace(0, np.zeros((224, 224, 3), np.uint8))
    assert not store.read(0, 1).any()


def test_a_failed_request_travels_as_its_error() -> None:
    error = OutOfSyncError(ErrorCode.NO_AUDIO, "it is mute", stage=Stage.PROBE).to_dict("abc")
    got = Clip.from_bytes(Clip.failed(error, request_id="abc").to_bytes())
    assert (got.error, got.request_id, got.tracks) == (error, "abc", [])


def test_videos_are_no_clips() -> None:
    assert is_clip(clip().to_bytes())
    assert not is_clip(b"\x00\x00\x00\x20ftypisom" + bytes(100))
    assert not is_clip(b"")


@pytest.mark.parametrize("cut", [0, 4, 40, -1])
def test_damaged_clips_are_refused(cut: int) -> None:
    with pytest.raises(OutOfSyncError) as caught:
        Clip.from_bytes(clip().to_bytes()[:cut])
    assert caught.value.code is ErrorCode.CORRUPT_MEDIA


def test_damaged_pictures_are_refused() -> None:
    store = JpegFrames([b"no picture"])
    with pytest.raises(ValueError, match="damaged"):
        store.read(0, 1)
