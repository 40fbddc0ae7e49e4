"""Figures of fidelity agree with their definitions."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from outofsync.deblur.residual import ResidualUNet
from outofsync.deblur.restorer import Restorer
from training.restoration import KINDS, MIXTURE, Look, fidelity, held_out, psnr, ssim, unsharp_mask

PICTURE = np.random.default_rng(0).integers(20, 230, (48, 48, 3), dtype=np.uint8)


def test_psnr_follows_its_definition() -> None:
    assert psnr(PICTURE + np.uint8(10), PICTURE) == pytest.approx(10 * np.log10(255**2 / 100), abs=1e-3)
    assert psnr(PICTURE, PICTURE) == 60.0


def test_ssim_is_one_for_equal_pictures_and_falls_with_noise() -> None:
    noise = np.random.default_rng(1).normal(0, 1, PICTURE.shape)
    noisy = [np.clip(PICTURE + level * noise, 0, 255).astype(np.uint8) for level in (10, 40)]
    assert ssim(PICTURE, PICTURE) == pytest.approx(1.0)
    assert 1 > ssim(noisy[0], PICTURE) > ssim(noisy[1], PICTURE)


def test_ssim_follows_its_definition() -> None:
    """Local means, variances and covariance under a Gaussian window, averaged over all of the picture."""
    other = np.asarray(cv2.GaussianBlur(PICTURE, (0, 0), 1.0), np.uint8)
    x, y = (cv2.cvtColor(each, cv2.COLOR_RGB2GRAY).astype(np.float64) for each in (other, PICTURE))
    means, squares = (
        [cv2.GaussianBlur(each, (11, 11), 1.5) for each in some] for some in ((x, y), (x * x, y * y))
    )
    covariance = cv2.GaussianBlur(x * y, (11, 11), 1.5) - means[0] * means[1]
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    variances = squares[0] - means[0] ** 2 + squares[1] - means[1] ** 2
    local = (2 * means[0] * means[1] + c1) * (2 * covariance + c2)
    local /= (means[0] ** 2 + means[1] ** 2 + c1) * (variances + c2)
    # Beyond the edge one mirrors about the last pixel and the other about its edge.
    assert ssim(other, PICTURE) == pytest.approx(float(local.mean()), abs=2e-3)


def test_held_out_blur_is_the_same_every_time() -> None:
    for kind in KINDS:
        first, again = (held_out([PICTURE, PICTURE], kind, seed=5)[0] for _ in range(2))
        assert np.array_equal(first, again)
        assert not np.array_equal(first[0], first[1])


def test_an_untrained_network_gains_nothing() -> None:
    pairs = [(unsharp_mask(PICTURE[None])[0], PICTURE)]
    assert Look(pairs, torch.device("cpu")).gain(ResidualUNet(widths=(4, 6, 8, 10)).eval()) == 0.0


def test_a_look_measures_as_the_evaluation_does() -> None:
    torch.manual_seed(1)
    network = ResidualUNet(widths=(4, 6, 8, 10)).eval()
    torch.nn.init.normal_(network.unet.final.weight, 0, 1.0)
    blurred, sharp = held_out([PICTURE, 255 - PICTURE], MIXTURE, 5)
    found = Look(list(zip(blurred, sharp, strict=True)), torch.device("cpu")).gain(network)
    restored = Restorer(network).restore(blurred)
    assert found != 0
    assert found == pytest.approx(fidelity(restored, sharp).psnr - fidelity(blurred, sharp).psnr, abs=0.01)
