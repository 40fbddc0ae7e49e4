"""Degradations take detail away, the same through a clip, and keep its shape."""

from __future__ import annotations

import numpy as np
import pytest

from outofsync.frames import Frames
from training.degrade import Degradation, colour_jitter, random_affine


def crops(frames: int = 10) -> Frames:
    return np.random.default_rng(0).integers(0, 255, (frames, 144, 144, 3), np.uint8)


@pytest.mark.parametrize(
    "step",
    [Degradation(scale=0.4), Degradation(blur=1.5), Degradation(jpeg=30), Degradation(scale=0.5, jpeg=40)],
)
def test_detail_is_lost(step: Degradation) -> None:
    before = crops()
    after = step.apply(before, np.random.default_rng(1))
    assert after.shape == before.shape
    assert np.diff(after.astype(int), axis=2).std() < np.diff(before.astype(int), axis=2).std()


def test_nothing_drawn_changes_nothing() -> None:
    before = crops()
    np.testing.assert_array_equal(Degradation().apply(before, np.random.default_rng(1)), before)


def test_each_step_is_drawn_now_and_then() -> None:
    random = np.random.default_rng(2)
    drawn = [Degradation.drawn(random) for _ in range(200)]
    for name in ("scale", "blur", "sharpen", "noise", "jpeg"):
        share = np.mean([getattr(each, name) is not None for each in drawn])
        assert 0.1 < share < 0.9


def test_colour_and_frame_stay_the_same_through_a_clip() -> None:
    still = np.repeat(crops(1), 5, 0)
    for change in (colour_jitter, random_affine):
        changed = change(still, np.random.default_rng(3))
        assert changed.shape == still.shape
        assert (changed == changed[0]).all()
        assert (changed[0] != still[0]).any()
