"""Display matrices: every way of turning and mirroring a picture, and what is no such way."""

from __future__ import annotations

import numpy as np
import pytest

from outofsync.errors import ErrorCode, OutOfSyncError
from outofsync.media.orientation import Orientation, orientation

ONE = 1 << 16


def matrix(a: float, b: float, c: float, d: float) -> tuple[int, ...]:
    """a, b: where a step to the right goes, right and down; c, d: where a step down goes."""
    a, b, c, d = (round(ONE * number) for number in (a, b, c, d))
    return (a, b, 0, c, d, 0, 123 * ONE, -7 * ONE, 1 << 30)


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_what_is_asked_for_is_what_arrays_are_turned_by(turns: int, mirrored: bool) -> None:
    """A picture of three marks, moved by the matrix pixel by pixel, and by the engine's two steps."""
    cosine, sine = ((1, 0), (0, 1), (-1, 0), (0, -1))[turns]
    sign = -1 if mirrored else 1
    a, b, c, d = sign * cosine, -sine, sign * sine, cosine  # a turn counter-clockwise, then left for right
    marks = np.zeros((5, 5), int)
    marks[0, 0], marks[0, 4], marks[4, 0] = 1, 2, 3
    moved = np.zeros_like(marks)
    for down, right in np.ndindex(5, 5):
        x, y = right - 2, down - 2
        moved[b * x + d * y + 2, a * x + c * y + 2] = marks[down, right]
    found = orientation(matrix(a, b, c, d))
    assert found == Orientation(turns, mirrored)
    turned = np.rot90(marks, found.turns)
    assert np.array_equal(moved, turned[:, ::-1] if found.mirrored else turned)


def test_sizes_and_a_few_degrees_change_nothing() -> None:
    assert orientation(matrix(2.0, 0, 0, 0.5)) == Orientation()
    assert orientation(matrix(0.98, 0.17, -0.17, 0.98)) == Orientation()


@pytest.mark.parametrize("flat", [(0, 0, 0, 0), (1, 0, 0, 0), (1, 0, 1, 0), (1, 1, 1, 1)])
def test_what_cannot_be_undone_is_ignored(flat: tuple[int, int, int, int]) -> None:
    assert orientation(matrix(*flat)) == Orientation()


def test_a_slanted_picture_is_refused_with_a_way_out() -> None:
    with pytest.raises(OutOfSyncError) as caught:
        orientation(matrix(1, 0, 0.5, 1))
    assert caught.value.code is ErrorCode.UNSUPPORTED_MEDIA
    assert "ffmpeg" in caught.value.hint
