"""Crops are level, centred and filled to their edge."""

from __future__ import annotations

import math

import numpy as np
import pytest

from outofsync.faces.detector import Detection
from outofsync.faces.geometry import CropBox, crop, crop_box, overlap


def tilted_face(angle: float) -> Detection:
    """A face at (100, 100), eyes and mouth 40 px apart, turned clockwise by ``angle`` radians."""
    upright = np.array([(-20, -20), (20, -20), (0, 0), (-10, 20), (10, 20)], np.float32)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]], np.float32)
    return Detection(1.0, np.array([60, 60, 140, 140], np.float32), upright @ turn + 100)


@pytest.mark.parametrize("angle", [-0.5, 0.0, 0.3])
def test_the_crop_undoes_the_roll(angle: float) -> None:
    box = crop_box(tilted_face(angle), scale=3.0)
    assert (box.x, box.y, box.side) == pytest.approx((100, 100, 120), abs=1e-3)
    assert box.roll == pytest.approx(angle, abs=1e-5)


def test_a_levelled_crop_shows_the_mouth_below_the_eyes() -> None:
    picture = np.zeros((200, 200, 3), np.uint8)
    face = tilted_face(0.4)
    for x, y in face.mouth.astype(int):
        picture[y - 3 : y + 4, x - 3 : x + 4] = 255
    cut = crop(picture, crop_box(face, scale=3.0), size=120)
    rows, columns = np.nonzero(cut[..., 0] > 128)
    assert rows.mean() == pytest.approx(80, abs=2)  # 60 + 20 px below the middle
    assert columns.mean() == pytest.approx(60, abs=2)
    assert np.ptp(rows) < 14  # both corners at one height


def test_a_crop_over_the_edge_repeats_it() -> None:
    picture = np.full((50, 50, 3), 77, np.uint8)
    assert (crop(picture, CropBox(0, 0, 60, 0.0), size=64) == 77).all()


def test_shrinking_does_not_alias() -> None:
    picture = np.zeros((800, 800, 3), np.uint8)
    picture[:, ::2] = 255
    cut = crop(picture, CropBox(400, 400, 800, 0.0), size=50)
    assert np.abs(cut.astype(int) - 128).max() <= 3


@pytest.mark.parametrize("side", [447.9, 448.0, 448.3, 449.0, 700.7, 1311.0, 5000.0])
def test_faces_of_any_size_can_be_cropped(side: float) -> None:
    picture = np.full((270, 480, 3), 50, np.uint8)
    assert crop(picture, CropBox(240, 135, side, 0.1)).shape == (224, 224, 3)


def test_overlap_of_boxes() -> None:
    box = np.array([0, 0, 10, 10], np.float32)
    assert overlap(box, box) == pytest.approx(1.0)
    assert overlap(box, box + 5) == pytest.approx(25 / 175)
    assert overlap(box, box + 20) == 0.0
