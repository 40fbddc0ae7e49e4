"""Sound that is moved stays with its pictures, and nothing is invented at the ends."""

from __future__ import annotations

import numpy as np
import pytest

from outofsync.frames import FrameStore, JpegFrames, RawFrames
from training.preparation.moving import moved, span

FRAMES, START = 12, 4


def store(*, coded: bool) -> FrameStore:
    """Frame t is all 10 · t."""
    pictures = np.arange(FRAMES, dtype=np.uint8)[:, None, None, None] * 10 + np.zeros((224, 224, 3), np.uint8)
    if not coded:
        return RawFrames(pictures)
    frames = JpegFrames()
    for picture in pictures:
        frames.append(picture)
    return frames


def numbers(frames: FrameStore) -> list[int]:
    return [round(float(frame.mean()) / 10) for frame in frames.read(0, len(frames))]


@pytest.fixture
def audio() -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """The sound of frame t of the whole video is all t, one frame of it after the last picture."""
    return np.repeat(np.arange(START + FRAMES + 1, dtype=np.int16), 640)


@pytest.mark.parametrize("coded", [False, True])
@pytest.mark.parametrize("delay", [-6, -4, -2, 1, 3])
def test_each_picture_gets_the_sound_that_came_late(
    *, coded: bool, delay: int, audio: np.ndarray[tuple[int], np.dtype[np.int16]]
) -> None:
    frames, sound = moved(store(coded=coded), audio, start=START, delay=delay)
    heard = sound.reshape(-1, 640)[:, 0].tolist()
    assert [number + START + delay for number in numbers(frames)] == heard
    assert len(frames) == FRAMES - max(0, -delay - START, delay - 1)


def test_unmoved_sound_goes_on_after_the_picture(audio: np.ndarray[tuple[int], np.dtype[np.int16]]) -> None:
    frames, sound = moved(store(coded=True), audio, start=START, delay=0)
    assert (len(frames), sound.size) == (FRAMES, (FRAMES + 1) * 640)


@pytest.mark.parametrize("delay", [-40, 40])
def test_a_clip_may_be_moved_out_of_its_sound(
    delay: int, audio: np.ndarray[tuple[int], np.dtype[np.int16]]
) -> None:
    frames, sound = moved(store(coded=True), audio, start=START, delay=delay)
    assert (len(frames), sound.size) == (0, 0)


@pytest.mark.parametrize("coded", [False, True])
def test_a_span_reads_like_the_frames_it_was_cut_from(*, coded: bool) -> None:
    assert numbers(span(store(coded=coded), 3, 7)) == [3, 4, 5, 6]
    assert numbers(span(store(coded=coded), 10, 99)) == [10, 11]
