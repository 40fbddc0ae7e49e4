"""What a rendered mouth shows, measured in the picture."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import retinaface
from numpy.typing import NDArray

from samples.head.identity import SKINS, Identity, random_identity
from samples.head.mouth import lips_of
from samples.head.portrait import Portrait
from samples.head.pose import Pose

SIZE = 256
STILL = Pose(yaw=0, pitch=0, roll=0, shift_x=0, shift_y=0, scale=1)
REST = {"jaw": 0.0, "gap": 0.0, "spread": 0.0, "pucker": 0.0, "tongue": 0.0, "tuck": 0.0}


def portrait(seed: int) -> tuple[Identity, Portrait]:
    rng = np.random.default_rng(seed)
    who = random_identity(rng)
    return who, Portrait(who, SIZE, rng)


def photograph(who: Identity, picture: Portrait, pose: Pose = STILL, **mouth: float) -> NDArray[np.uint8]:
    lips = lips_of(who, **(REST | mouth))
    return picture.frame(lips, pose, shut=0.0, brows=0.0, gaze=(0.0, 0.0)).astype(np.uint8)


def opening(who: Identity, image: NDArray[np.uint8]) -> int:
    """Pixels of the mouth's middle column with teeth or the dark: lips are redder, in white light."""
    column = round(who.centre[0] * SIZE)
    heights = (who.mouth_height - 0.08, who.mouth_height + 0.25)
    top, bottom = (round((who.centre[1] + height * who.size) * SIZE) for height in heights)
    red, green, _ = np.median(image[top:bottom, column - 2 : column + 3], axis=1).astype(float).T
    return int(((red < 1.2 * green) | (red < 0.45 * np.median(red))).sum())


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_lips_part_as_far_as_they_are_told(seed: int) -> None:
    rng = np.random.default_rng(seed)
    who = replace(
        random_identity(rng),
        light_colour=np.full(3, 0.8, np.float32),
        ambient=np.full(3, 0.3, np.float32),
        skin=SKINS[1],
        lips=SKINS[1] * np.array((0.9, 0.45, 0.45), np.float32),
        beard=0.0,
        moustache=0.0,
    )
    picture = Portrait(who, SIZE, rng)
    shut, little, half = (opening(who, photograph(who, picture, gap=gap)) for gap in (0.0, 0.25, 0.5))
    assert shut <= 1
    assert shut + 2 < little < half


def test_only_the_lower_face_changes_when_the_mouth_opens() -> None:
    who, picture = portrait(4)
    difference = cv2.absdiff(photograph(who, picture), photograph(who, picture, gap=1.0, jaw=1.0)).max(2)
    nose = round((who.centre[1] + 0.25 * who.size) * SIZE)
    assert difference[:nose].max() <= 4
    assert difference[nose:].max() > 60


@pytest.mark.parametrize("seed", range(10))
def test_a_detector_sees_a_face_with_its_mouth_in_place(seed: int) -> None:
    who, picture = portrait(seed)
    images = (
        photograph(who, picture),
        photograph(who, picture, gap=0.8, jaw=0.8),
        photograph(who, picture, gap=0.2, pucker=0.9, spread=-0.9),
    )
    for image in images:
        faces = retinaface.detect_faces(image, score_threshold=0.9)
        assert len(faces) == 1
        corners = np.array([(point.x, point.y) for point in faces[0].landmarks[3:]], float)
        expected = (np.array(who.centre) + np.array((0, (who.mouth_height + 0.03) * who.size))) * SIZE
        assert np.linalg.norm(corners.mean(0) - expected) < 0.18 * who.size * SIZE


def test_turning_moves_the_nose_further_than_the_outline() -> None:
    who, picture = portrait(6)
    ahead = retinaface.detect_faces(photograph(who, picture))[0]
    turned = retinaface.detect_faces(photograph(who, picture, Pose(0.3, 0, 0, 0, 0, 1)))[0]
    nose = turned.landmarks[2].x - ahead.landmarks[2].x
    eyes = sum(turned.landmarks[i].x - ahead.landmarks[i].x for i in (0, 1)) / 2
    assert nose > max(eyes, 0) + 3
