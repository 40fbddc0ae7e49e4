"""The blur measure sees blur, and little else."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from outofsync.deblur.sharpness import BLURRY_BELOW, blurry_frames, sharpness

Picture = NDArray[np.uint8]


@pytest.fixture(scope="module")
def drawing() -> Picture:
    """Shapes with sharp edges of every direction on a soft background: (224, 224, 3)."""
    random = np.random.default_rng(1)
    canvas = np.zeros((224, 224, 3), np.uint8)
    canvas[:] = np.linspace(60, 140, 224, dtype=np.uint8)[:, None, None]
    for _ in range(40):
        centre = tuple(int(value) for value in random.integers(0, 224, 2))
        axes = tuple(int(value) for value in random.integers(4, 24, 2))
        colour = tuple(int(value) for value in random.integers(40, 200, 3))
        cv2.ellipse(canvas, centre, axes, int(random.integers(180)), 0, 360, colour, -1, cv2.LINE_AA)
    return canvas


def measured(picture: Picture) -> float:
    return float(sharpness(picture[None])[0])


def blurred(picture: Picture, deviation: float) -> Picture:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), deviation), np.uint8)


def test_every_further_blur_lowers_it(drawing: Picture) -> None:
    values = [measured(drawing), *(measured(blurred(drawing, deviation)) for deviation in (1.0, 2.0, 4.0))]
    assert values == sorted(values, reverse=True)
    assert values[0] > BLURRY_BELOW > values[2]


def test_motion_in_one_direction_is_blur(drawing: Picture) -> None:
    for size in ((15, 1), (1, 15)):
        assert measured(np.asarray(cv2.blur(drawing, size), np.uint8)) < BLURRY_BELOW


def test_contrast_and_brightness_do_not_count(drawing: Picture) -> None:
    dim = (drawing * 0.4 + 20).astype(np.uint8)
    assert measured(dim) == pytest.approx(measured(drawing), rel=0.05)


def test_noise_on_a_blurry_picture_is_no_detail(drawing: Picture) -> None:
    soft = blurred(drawing, 3.0)
    noise = np.random.default_rng(2).normal(0, 2, soft.shape)
    assert measured(np.clip(soft + noise, 0, 255).astype(np.uint8)) < BLURRY_BELOW


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_a_picture_of_nothing_has_a_measure(grey: int) -> None:
    assert measured(np.full((224, 224, 3), grey, np.uint8)) == 0.0


def test_one_value_a_frame(drawing: Picture) -> None:
    frames = np.stack([drawing, blurred(drawing, 2.0)])
    values = sharpness(frames)
    assert values.dtype == np.float32
    assert values.tolist() == [measured(frame) for frame in frames]
    assert sharpness(frames[:0]).shape == (0,)


def test_a_single_blurry_frame_is_left_alone() -> None:
    values = np.full(50, 0.2, np.float32)
    values[20] = 0.05
    assert not blurry_frames(values, 0.1).any()


def test_a_blurry_second_is_found_where_it_is() -> None:
    values = np.full(150, 0.2, np.float32)
    values[50:100] = 0.05
    assert np.flatnonzero(blurry_frames(values, 0.1)).tolist() == list(range(50, 100))


def test_short_and_empty_tracks_are_decided_too() -> None:
    assert blurry_frames(np.full(3, 0.05, np.float32), 0.1).tolist() == [True, True, True]
    assert blurry_frames(np.zeros(0, np.float32), 0.1).shape == (0,)
