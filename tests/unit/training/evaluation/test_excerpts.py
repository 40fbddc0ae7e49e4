"""Cut and manipulated clips hold the frames and the sound that a file would."""

from __future__ import annotations

import numpy as np
import pytest

from outofsync.clip import Clip, Track
from outofsync.frames import RawFrames
from training.evaluation.excerpts import Sound, excerpt, frames_of, moved, pieces, swapped


def sound(frames: int, first: int = 0) -> Sound:
    """Every sample holds the number of its frame."""
    return np.repeat(np.arange(first, first + frames), 640).astype(np.int16)


def clip(frames: int, *, start: int = 0) -> Clip:
    """Every pixel holds the number of its frame; the face comes into view at ``start``."""
    numbers = np.arange(start, frames, dtype=np.uint8)
    pictures = numbers[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    track = Track(0, start, RawFrames(pictures), np.zeros((len(pictures), 4), np.float32))
    return Clip([track], sound(frames))


def pair(made: Clip | None) -> tuple[list[int], list[int]]:
    """Frame numbers seen, and those heard."""
    assert made is not None
    frames = made.tracks[0].frames
    seen = frames.read(0, len(frames))[:, 0, 0, 0].tolist()
    return seen, made.audio[::640].tolist()


def test_an_excerpt_keeps_time() -> None:
    made = excerpt(clip(100, start=20), 10, 50)
    seen, heard = pair(made)
    assert (made.tracks[0].start, seen[0], seen[-1], len(made.tracks[0].boxes)) == (10, 20, 49, 30)
    assert (heard[0], heard[-1], frames_of(made)) == (10, 49, 40)


def test_a_face_out_of_view_is_not_in_an_excerpt() -> None:
    assert excerpt(clip(100, start=60), 0, 50).tracks == []


def test_pieces_are_full() -> None:
    assert list(pieces(120, 55)) == [(0, 55), (55, 110)]
    assert list(pieces(54, 55)) == []


def test_a_move_keeps_the_length_where_the_clip_goes_on() -> None:
    seen, heard = pair(moved(clip(100), 20, 75, 6))
    assert (seen[0], heard[0], len(seen), len(heard)) == (20, 14, 55, 55)
    seen, heard = pair(moved(clip(100), 0, 55, -6))
    assert (seen[0], heard[0], len(seen), len(heard)) == (0, 6, 55, 55)
    seen, heard = pair(moved(clip(100), 0, 55, 6))  # nothing before it: the picture goes on instead
    assert (seen[0], heard[0], len(seen), len(heard)) == (6, 0, 55, 55)


@pytest.mark.parametrize("late", [15, -15])
def test_a_move_of_a_whole_clip_cuts_it(late: int) -> None:
    seen, heard = pair(moved(clip(60), 0, 60, late))
    assert len(seen) == len(heard) == 45
    assert seen[0] - heard[0] == late


def test_too_short_to_move() -> None:
    assert moved(clip(20), 0, 20, 11) is None


def test_a_swap_takes_the_same_place_or_the_beginning() -> None:
    seen, heard = pair(swapped(clip(110), 55, 110, sound(120, 1000)))
    assert (seen[0], heard[0], len(heard)) == (55, 1055, 55)
    seen, heard = pair(swapped(clip(110), 55, 110, sound(80, 1000)))
    assert (seen[0], heard[0], len(heard)) == (55, 1000, 55)
    seen, heard = pair(swapped(clip(110), 55, 110, sound(40, 1000)))
    assert (len(seen), len(heard)) == (40, 40)
    assert swapped(clip(110), 55, 110, sound(20)) is None
