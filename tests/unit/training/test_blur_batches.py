"""Blur of batches: the same as that of single frames, as far as chance allows to tell."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from training.blur import BlurSettings, Frame, blur, from_light, shake, to_light
from training.blur_batches import BatchBlur, filtered, kernel_bank
from training.blur_batches import shake as shake_batch

CPU = torch.device("cpu")
SIDE = 64
COLOURS = np.random.default_rng(4).integers(30, 220, (8, 8, 3), dtype=np.uint8)
PICTURE: Frame = COLOURS.repeat(8, 0).repeat(8, 1)
BLURRED = BlurSettings(sharp_share=0.0)


def frames(count: int) -> Tensor:
    return torch.from_numpy(PICTURE).permute(2, 0, 1).float().expand(count, 3, SIDE, SIDE).clone()


def errors(pictures: Tensor) -> Tensor:
    return (pictures - frames(len(pictures))).square().mean((1, 2, 3)).sqrt()


def test_kernels_of_the_bank_keep_the_light() -> None:
    bank = kernel_bank(60, np.random.default_rng(0), BLURRED)
    assert bank.sum((1, 2)).numpy() == pytest.approx(np.ones(60), abs=1e-5)
    assert len(torch.unique(bank.flatten(1), dim=0)) == 60


def test_filtering_is_that_of_opencv() -> None:
    bank = kernel_bank(5, np.random.default_rng(1), BLURRED)
    light = to_light(PICTURE)
    found = filtered(torch.from_numpy(light).permute(2, 0, 1).expand(5, 3, SIDE, SIDE), bank)
    for one, kernel in zip(found, bank, strict=True):
        expected = cv2.filter2D(light, -1, kernel.numpy(), borderType=cv2.BORDER_REFLECT_101)
        assert one.permute(1, 2, 0).numpy() == pytest.approx(np.asarray(expected), abs=1e-5)


def test_a_head_that_does_not_move_stays_as_it_is() -> None:
    still = BlurSettings(shake_turn=0.0, shake_zoom=0.0, motion=(0.0, 0.0))
    light = frames(2) / 255
    assert torch.allclose(shake_batch(light, still, torch.Generator().manual_seed(0)), light, atol=1e-3)


def test_a_head_turns_about_as_much_as_in_single_frames() -> None:
    light = torch.from_numpy(to_light(PICTURE)).permute(2, 0, 1).expand(200, 3, SIDE, SIDE)
    seen = shake_batch(light, BLURRED, torch.Generator().manual_seed(3))
    found = (seen - light).square().mean((1, 2, 3)).sqrt().mean()
    random = np.random.default_rng(3)
    single = [shake(to_light(PICTURE), random, BLURRED) - to_light(PICTURE) for _ in range(200)]
    assert float(found) == pytest.approx(np.mean([np.sqrt((each**2).mean()) for each in single]), rel=0.1)


def test_the_mixture_is_as_strong_as_that_of_single_frames() -> None:
    whole = BatchBlur(SIDE, BLURRED, CPU, kernels=400)
    found = errors(whole(frames(200), torch.Generator().manual_seed(1))).mean()
    random = np.random.default_rng(1)
    single = torch.from_numpy(np.stack([blur(PICTURE, random, BLURRED) for _ in range(200)]))
    assert float(found) == pytest.approx(float(errors(single.permute(0, 3, 1, 2).float()).mean()), rel=0.1)


def test_the_sharp_share_is_left_as_it_is_and_the_rest_is_not() -> None:
    whole = BatchBlur(SIDE, BlurSettings(sharp_share=0.25), CPU, kernels=40)
    found = errors(whole(frames(20), torch.Generator().manual_seed(1)))
    assert (found[:5] == 0).all()
    assert (found[5:] > 0).all()


def test_blurred_pictures_are_whole_numbers_that_bytes_hold() -> None:
    out = BatchBlur(SIDE, BLURRED, CPU, kernels=40)(frames(20), torch.Generator().manual_seed(1))
    assert torch.equal(out, out.round().clamp(0, 255))


def test_light_and_codes_agree_with_single_frames() -> None:
    assert np.array_equal(from_light(to_light(PICTURE)), PICTURE)
    still = BlurSettings(
        sharp_share=0.0, scale_share=0.0, noise_share=0.0, compress_share=0.0, defocus=(0.0, 0.0)
    )
    flat = torch.full((10, 3, SIDE, SIDE), 90.0)
    assert torch.equal(BatchBlur(SIDE, still, CPU, kernels=40)(flat, torch.Generator().manual_seed(0)), flat)
