"""How many windows picture and sound yield."""

from __future__ import annotations

import pytest

from outofsync.synchrony.interface import windows_of


@pytest.mark.parametrize(
    ("frames", "samples", "windows"),
    [
        (5, 5 * 640, 1),
        (54, 54 * 640, 50),
        (54, 1_000_000, 50),  # the picture ends first
        (100, 10 * 640 + 639, 6),  # the sound ends first, inside a frame
        (4, 100_000, 0),
        (100, 0, 0),
    ],
)
def test_windows_need_both_picture_and_sound(frames: int, samples: int, windows: int) -> None:
    assert windows_of(frames, samples) == windows
