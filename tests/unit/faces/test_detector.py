"""The real detector on our own rendered face, at several sizes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from outofsync.faces import RetinaFaceDetector
from outofsync.limits import Limits
from outofsync.media import Decoder

SAMPLE = Path(__file__).parents[3] / "samples" / "synchronised.mp4"


@pytest.fixture(scope="module")
def picture() -> NDArray[np.uint8]:
    with Decoder(SAMPLE.read_bytes(), Limits(), max_frames=1) as decoder:
        picture: NDArray[np.uint8] = next(decoder.frames())[0]
        return picture


@pytest.mark.parametrize("side", [120, 480, 1600])
def test_one_face_at_any_size(picture: NDArray[np.uint8], side: int) -> None:
    scaled = np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
    (face,) = RetinaFaceDetector().detect(scaled)
    left_eye, right_eye = face.eyes / side
    assert left_eye[0] < right_eye[0]
    assert face.mouth.mean(0)[1] > face.eyes.mean(0)[1]
    assert (face.landmarks >= 0).all()
    assert (face.landmarks <= side).all()


@pytest.mark.parametrize("shape", [(240, 320), (2, 4096), (4096, 2), (2, 2), (7, 600)])
def test_no_face_in_a_plain_picture_of_any_shape(shape: tuple[int, int]) -> None:
    assert RetinaFaceDetector().detect(np.full((*shape, 3), 128, np.uint8)) == []
