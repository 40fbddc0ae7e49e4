"""Pseudo-fakes change the face, mostly the mouth, and keep everything else."""

from __future__ import annotations

import numpy as np
import pytest

from outofsync.frames import Frames
from training.pseudo_fakes import PICTURE_KINDS, moved_still, pseudo_fake

SIDE = 144


def face(frames: int = 24) -> Frames:
    """A textured face whose mouth opens and closes."""
    random = np.random.default_rng(3)
    skin = random.integers(60, 200, (SIDE, SIDE, 3)).astype(np.uint8)
    crops = np.repeat(skin[None], frames, 0)
    for number, crop in enumerate(crops):
        opening = 4 + number % 6
        crop[96 - opening : 96 + opening, 56:88] = 20
        crop[:20] = (crop[:20].astype(int) + number) % 255  # hair moves too
    return crops


OPENING = np.linspace(0, 1, 24, dtype=np.float32)


@pytest.mark.parametrize("kind", sorted(PICTURE_KINDS))
def test_the_mouth_changes_and_the_corners_of_the_crop_do_not(kind: str) -> None:
    before = face()
    changed = 0
    for seed in range(6):
        after = PICTURE_KINDS[kind](before, np.random.default_rng(seed))
        assert after.shape == before.shape
        assert after.dtype == np.uint8
        mouth = np.abs(after[:, 84:110, 50:94].astype(int) - before[:, 84:110, 50:94])
        changed += mouth.mean() > 1
        if kind != "smooth_skin":  # which may take all of the picture
            corner = np.abs(after[:, -10:, :10].astype(int) - before[:, -10:, :10])
            assert corner.mean() < 3
    assert changed >= 4


def test_a_moved_still_opens_its_mouth_as_it_is_told() -> None:
    quiet, loud = np.zeros(24, np.float32), np.ones(24, np.float32)
    still = moved_still(face(), np.random.default_rng(1), quiet)
    moved = moved_still(face(), np.random.default_rng(1), loud)
    assert np.abs(still[5, 90:115, 50:94].astype(int) - moved[5, 90:115, 50:94]).mean() > 3


def test_the_same_seed_makes_the_same_fake_and_others_differ() -> None:
    fakes = [pseudo_fake(face(), OPENING, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(fakes[0], fakes[1])
    assert (fakes[0] != fakes[2]).any()
