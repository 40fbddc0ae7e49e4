"""Footage to measure with is what it says: one face in one shot, with sound, at one bit rate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import footage
from outofsync.faces import RetinaFaceDetector
from outofsync.limits import Limits
from outofsync.media import Decoder


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footage, "CACHE", tmp_path)


@pytest.fixture(scope="module")
def long_movie(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Longer than the head, which then plays backwards, and small, so that it is made fast."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(footage, "CACHE", tmp_path_factory.mktemp("cache"))
        return footage.footage(16.4, width=320, height=240)


def pictures(movie: bytes) -> NDArray[np.uint8]:
    """All frames (frames, height, width, 3)."""
    with Decoder(movie, Limits()) as decoder:
        return np.concatenate(list(decoder.frames()))


@pytest.mark.slow
def test_size_rate_length_and_sound(long_movie: bytes) -> None:
    with Decoder(long_movie, Limits()) as decoder:
        for _ in decoder.frames():
            pass  # the sound is whole only then
        info = decoder.info
        sound = decoder.audio
    assert (info.width, info.height, info.frame_rate, info.video_codec) == (320, 240, 25.0, "h264")
    assert (info.sample_rate, info.channels, info.audio_codec) == (16000, 1, "aac")
    assert info.duration_s == pytest.approx(16.4, abs=0.05)
    for second in range(16):
        assert np.abs(sound[16000 * second : 16000 * (second + 1)]).max() > 300, "silence"


@pytest.mark.slow
def test_every_packet_decodes_and_no_frame_jumps(long_movie: bytes) -> None:
    found = pictures(long_movie).astype(np.int16)
    assert len(found) == 410
    assert np.abs(np.diff(found, axis=0)).mean(axis=(1, 2, 3)).max() < 10


@pytest.mark.slow
def test_one_face_all_through() -> None:
    detector = RetinaFaceDetector()
    found = pictures(footage.footage(1.0))
    assert found.shape == (25, 720, 1280, 3)
    for picture in found[::8]:
        faces = detector.detect(picture)
        assert len(faces) == 1
        x0, y0, x1, y1 = faces[0].box
        assert 400 < x0 < x1 < 880
        assert 120 < y0 < y1 < 600


@pytest.mark.slow
def test_a_still_picture_stands_still() -> None:
    found = pictures(footage.footage(2.0, 320, 240, still=True)).astype(np.int16)
    assert len(found) == 50
    assert np.abs(found[5] - found[45]).mean() < 3.0


def test_it_is_made_once(tmp_path: Path) -> None:
    first = footage.stored(0.4, 160, 120)
    made = first.stat().st_mtime_ns
    assert footage.stored(0.4, 160, 120) == first
    assert first.stat().st_mtime_ns == made
    assert list(tmp_path.iterdir()) == [first]
