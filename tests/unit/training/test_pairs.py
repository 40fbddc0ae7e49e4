"""Training pairs: the two halves belong together, steps can be repeated, folders are checked."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from outofsync.frames import JpegFrames
from training.blur import BlurSettings, Frame
from training.frame_pack import PackedFrame
from training.pairs import BlurredFrames, PairedFolders, read_pairs, square

CPU = torch.device("cpu")
SIDE = 64


def picture(seed: int, side: int = SIDE) -> Frame:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def flat(brightness: int, source: str) -> PackedFrame:
    return PackedFrame(JpegFrames.encode(np.full((SIDE, SIDE, 3), brightness, np.uint8)), source, "train")


def blurred_frames(frames: list[PackedFrame], settings: BlurSettings, batch: int = 4) -> BlurredFrames:
    return BlurredFrames(frames, settings, CPU, batch=batch, cut=32, seed=5, kernels=40)


def smooth(seed: int) -> PackedFrame:
    enlarged = cv2.resize(picture(seed, 8) // 2 + 60, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return PackedFrame(JpegFrames.encode(np.asarray(enlarged, np.uint8)), "a", "train")


def write(folder: Path, **pictures: Frame) -> Path:
    folder.mkdir()
    for name, frame in pictures.items():
        cv2.imwrite(str(folder / f"{name}.png"), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    return folder


def test_batches_are_whole_frames_or_cuts_of_both_halves() -> None:
    source = blurred_frames([smooth(1), smooth(2)], BlurSettings())
    sizes = set()
    for step in range(12):
        blurred, sharp = source.draw(step)
        assert blurred.shape == sharp.shape
        assert 0 <= float(blurred.min()) <= float(blurred.max()) <= 1
        assert float((blurred - sharp).abs().mean()) < 0.2  # the same place of both
        sizes.add(sharp.shape[-1])
    assert sizes == {32, SIDE}


def test_a_step_can_be_repeated() -> None:
    first, again = (blurred_frames([smooth(1), smooth(2)], BlurSettings()) for _ in range(2))
    first.draw(0)
    for one, other in zip(first.draw(3), again.draw(3), strict=True):
        assert torch.equal(one, other)


def test_without_blur_both_halves_are_equal() -> None:
    blurred, sharp = blurred_frames([smooth(2)], BlurSettings(sharp_share=1.0)).draw(0)
    assert torch.equal(blurred, sharp)


def test_rare_sources_are_drawn_more_often_than_their_share() -> None:
    frames = [flat(20, "common")] * 90 + [flat(200, "rare")] * 10
    _, sharp = blurred_frames(frames, BlurSettings(sharp_share=1.0), batch=200).draw(0)
    rare = int((sharp.mean((1, 2, 3)) > 0.4).sum())
    assert 30 < rare < 80  # a quarter, where an even draw would give a tenth


def test_a_square_is_the_same_place_of_both_halves() -> None:
    sharp = picture(0)
    source = PairedFolders([(255 - sharp, sharp)], CPU, batch=3, cut=24, seed=1)
    blurred_squares, sharp_squares = source.draw(0)
    assert sharp_squares.shape == (3, 3, 24, 24)
    assert torch.allclose(blurred_squares, 1 - sharp_squares)
    assert torch.equal(source.draw(0)[1], sharp_squares)
    assert not torch.equal(source.draw(1)[1], sharp_squares)


def test_pictures_smaller_than_a_square_are_enlarged() -> None:
    (larger,) = square([picture(0, 20)], np.random.default_rng(0), 48)
    assert larger.shape == (48, 48, 3)


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
