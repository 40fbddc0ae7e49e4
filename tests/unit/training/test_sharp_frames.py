"""Training pairs: the two halves belong together, folders are checked."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from training.blur import BlurSettings, Frame
from training.sharp_frames import PairedFolders, SharpFrame, SyntheticPairs, cut, read_pairs


def picture(seed: int, side: int = 64) -> Frame:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def write(folder: Path, **pictures: Frame) -> Path:
    folder.mkdir()
    for name, frame in pictures.items():
        cv2.imwrite(str(folder / f"{name}.png"), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    return folder


def test_a_patch_is_the_same_place_of_both_halves() -> None:
    sharp = picture(0)
    source = PairedFolders([(255 - sharp, sharp)])
    blurred_patch, sharp_patch = source.draw(np.random.default_rng(1), 24)
    assert sharp_patch.shape == (24, 24, 3)
    assert np.array_equal(blurred_patch, 255 - sharp_patch)


def test_pictures_smaller_than_a_patch_are_enlarged() -> None:
    (patch,) = cut([picture(0, 20)], np.random.default_rng(0), 48)
    assert patch.shape == (48, 48, 3)


def test_without_blur_both_halves_are_equal() -> None:
    source = SyntheticPairs([SharpFrame(picture(2, 96), "a")], BlurSettings(sharp_share=1.0))
    blurred, sharp = source.draw(np.random.default_rng(0), 32)
    assert np.array_equal(blurred, sharp)


def test_rare_sources_are_drawn_more_often_than_their_share() -> None:
    bright, dark = np.full((64, 64, 3), 200, np.uint8), np.full((64, 64, 3), 20, np.uint8)
    frames = [SharpFrame(dark, "common")] * 90 + [SharpFrame(bright, "rare")] * 10
    source = SyntheticPairs(frames, BlurSettings(sharp_share=1.0))
    random = np.random.default_rng(3)
    rare = sum(bool(source.draw(random, 16)[1].mean() > 100) for _ in range(200))
    assert 30 < rare < 80  # a quarter, where an even draw would give a tenth


def test_folders_are_paired_by_name(tmp_path: Path) -> None:
    first, second = picture(1), picture(2)
    blurred = write(tmp_path / "blurred", b=second, a=first)
    sharp = write(tmp_path / "sharp", a=255 - first, b=255 - second)
    pairs = read_pairs(blurred, sharp)
    assert np.array_equal(pairs[0][0], first)
    assert np.array_equal(pairs[1][1], 255 - second)


def test_a_name_without_its_other_half_is_named(tmp_path: Path) -> None:
    blurred = write(tmp_path / "blurred", a=picture(1), lonely=picture(2))
    sharp = write(tmp_path / "sharp", a=picture(3))
    with pytest.raises(ValueError, match=r"lonely\.png"):
        read_pairs(blurred, sharp)


def test_halves_of_different_size_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="size"):
        read_pairs(write(tmp_path / "b", a=picture(1, 32)), write(tmp_path / "s", a=picture(1, 64)))
