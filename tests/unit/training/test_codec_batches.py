"""Scaling, noise and compression of batches agree with what OpenCV does to one frame."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from training.blur import BlurSettings, Frame
from training.codec_batches import Jpeg, Rescaling, add_noise

CPU = torch.device("cpu")
SIDE = 64
GREY = np.random.default_rng(4).integers(40, 200, (8, 8, 1))
COLOURS = (GREY + np.random.default_rng(5).integers(-20, 21, (8, 8, 3))).astype(np.uint8)
PICTURE: Frame = np.asarray(cv2.resize(COLOURS, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), np.uint8)


def batch(*pictures: Frame) -> Tensor:
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()


def frame(pictures: Tensor) -> Frame:
    return np.asarray(pictures[0].permute(1, 2, 0).numpy().astype(np.uint8))


def difference(one: Frame, other: Frame) -> float:
    return float(np.abs(one.astype(float) - other).mean())


@pytest.mark.parametrize("quality", [35, 60, 95])
def test_compression_is_that_of_libjpeg(quality: int) -> None:
    _, coded = cv2.imencode(".jpg", PICTURE, [cv2.IMWRITE_JPEG_QUALITY, quality])
    expected = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    found = frame(Jpeg(CPU)(batch(PICTURE), torch.tensor([quality])))
    # What lies between two steps may fall to either side.
    assert difference(found, expected) < max(0.5, 0.3 * difference(expected, PICTURE))


def test_each_picture_has_its_own_quality() -> None:
    coarse, fine = Jpeg(CPU)(batch(PICTURE, PICTURE), torch.tensor([35, 95]))
    assert difference(frame(coarse[None]), PICTURE) > 2 * difference(frame(fine[None]), PICTURE)


def test_scaling_is_that_of_opencv() -> None:
    settings = BlurSettings(scale=(0.5, 0.5))
    small = cv2.resize(PICTURE, (SIDE // 2, SIDE // 2), interpolation=cv2.INTER_AREA)
    expected = [
        np.asarray(cv2.resize(small, (SIDE, SIDE), interpolation=kind), np.uint8)
        for kind in (cv2.INTER_LINEAR, cv2.INTER_CUBIC)
    ]
    found = Rescaling(SIDE, settings, CPU)(batch(*[PICTURE] * 8), torch.Generator().manual_seed(2))
    nearest = [int(np.argmin([difference(frame(one[None]), each) for each in expected])) for one in found]
    assert set(nearest) == {0, 1}
    for one, kind in zip(found, nearest, strict=True):
        assert difference(frame(one[None]), expected[kind]) < 0.3


def test_noise_has_its_strength_and_is_mostly_grey() -> None:
    flat = torch.full((4, 3, SIDE, SIDE), 120.0)
    noise = add_noise(flat, BlurSettings(noise=(4.0, 4.0)), torch.Generator().manual_seed(0)) - flat
    assert float(noise.std()) == pytest.approx(4 * 1.25**0.5, rel=0.05)
    assert float(noise.mean(1).std()) > 0.9 * 4
