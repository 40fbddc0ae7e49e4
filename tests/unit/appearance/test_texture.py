"""Texture compares parts of one face: what happens to all of it hardly counts, what happens to one does."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from outofsync.appearance.texture import NUMBERS, PARTS, SIDE, described, measured, small
from outofsync.frames import Frames


def grain(frames: int = 12, seed: int = 0) -> Frames:
    """A face of mottled skin under a noisy camera, moving a little."""
    random = np.random.default_rng(seed)
    skin = cv2.GaussianBlur(random.normal(120, 40, (SIDE, SIDE, 3)).astype(np.float32), (0, 0), 1.0)
    noise = random.normal(0, 3, (frames, SIDE, SIDE, 1))
    return np.clip([np.roll(skin, number % 3, 0) for number in range(frames)] + noise, 0, 255).astype(
        np.uint8
    )


def blurred(crops: Frames, rows: slice, columns: slice) -> Frames:
    changed = crops.copy()
    for crop, original in zip(changed, crops, strict=True):
        crop[rows, columns] = cv2.GaussianBlur(original, (0, 0), 2.0)[rows, columns]
    return changed


def fine_against_upper(crops: Frames) -> NDArray[np.float32]:
    """Fine detail of every part above that of the upper face."""
    energies = measured(crops)[:, 0].mean(0)
    return np.asarray(energies - energies[list(PARTS).index("upper")], np.float32)


def test_energies_have_bands_in_space_and_time_for_every_part() -> None:
    energies = measured(grain())
    assert energies.shape == (11, 10, 5)
    assert np.isfinite(energies).all()
    assert described(energies).shape == (NUMBERS,)


def test_a_mouth_that_is_blunter_than_the_face_stands_out() -> None:
    crops = grain()
    mouth = blurred(crops, slice(80, 116), slice(40, 104))
    place = list(PARTS).index("mouth")
    assert fine_against_upper(mouth)[place] < fine_against_upper(crops)[place] - 2


def test_a_face_that_is_blunter_all_over_does_not() -> None:
    crops = grain()
    whole = blurred(crops, slice(None), slice(None))
    place = list(PARTS).index("mouth")
    assert fine_against_upper(whole)[place] == pytest.approx(fine_against_upper(crops)[place], abs=0.5)


def test_a_frozen_mouth_has_no_flicker() -> None:
    crops = grain()
    crops[:, 80:116, 40:104] = crops[0, 80:116, 40:104]
    energies = measured(crops)
    place = list(PARTS).index("mouth")
    assert (energies[:, 5, place] < energies[:, 5, list(PARTS).index("upper")] - 2).all()


def test_crops_are_made_small_by_area() -> None:
    assert small(np.full((2, 224, 224, 3), 77, np.uint8)).shape == (2, SIDE, SIDE, 3)
