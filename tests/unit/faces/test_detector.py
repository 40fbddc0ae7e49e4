"""The real detector on our own rendered face, at several sizes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import retinaface
from numpy.typing import NDArray

from outofsync.faces import FaceSettings, RetinaFaceDetector
from outofsync.faces.geometry import surroundings
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


def test_a_face_is_found_in_its_surroundings_as_in_the_whole(picture: NDArray[np.uint8]) -> None:
    wide = np.full((720, 1280, 3), 90, np.uint8)
    wide[120:600, 500:980] = picture
    detector = RetinaFaceDetector()
    (whole,) = detector.detect(wide)
    region = surroundings([whole.box], FaceSettings().search_margin, 1280, 720)
    (near,) = detector.detect(wide, region)
    reach = float(np.linalg.norm(whole.mouth.mean(0) - whole.eyes.mean(0)))
    assert np.abs(near.landmarks - whole.landmarks).max() < 0.05 * reach


def test_faces_are_decoded_as_the_package_with_the_weights_does(picture: NDArray[np.uint8]) -> None:
    """Up to its rounding down to whole pixels."""
    (expected,) = retinaface.detect_faces(picture, score_threshold=0.9)
    (found,) = RetinaFaceDetector().detect(picture)
    assert found.score == pytest.approx(expected.score, abs=1e-5)
    points = np.array([(point.x, point.y) for point in expected.landmarks])
    np.testing.assert_array_equal(np.floor(found.landmarks), points)
    assert np.floor(found.box[:2]).tolist() == [expected.x, expected.y]
