"""Blur synthesis: it blurs, keeps the light, and is the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from outofsync.deblur.sharpness import sharpness
from training.blur import (
    OPTICS,
    BlurSettings,
    Frame,
    blur,
    disc_kernel,
    from_light,
    motion_path,
    path_kernel,
    to_light,
)

BLURRED = BlurSettings(sharp_share=0.0, motion=(8.0, 18.0), defocus=(2.0, 4.5), gauss=(1.5, 2.6))
OPTICS_ONLY = BlurSettings(sharp_share=0.0, scale_share=0.0, noise_share=0.0, compress_share=0.0)


@pytest.fixture(scope="module")
def tiles() -> Frame:
    """Random tiles of 16 px, (160, 160, 3)."""
    colours = np.random.default_rng(4).integers(30, 220, (10, 10, 3), dtype=np.uint8)
    return colours.repeat(16, 0).repeat(16, 1)


def test_kernels_keep_the_light() -> None:
    random = np.random.default_rng(0)
    for length in (0.5, 3.0, 20.0):
        assert path_kernel(motion_path(random, length, 1.0)).sum() == pytest.approx(1, abs=1e-5)
        assert disc_kernel(length).sum() == pytest.approx(1, abs=1e-5)


def test_a_straight_path_has_its_length_and_a_bent_one_ends_nearer() -> None:
    def reach(bend: float) -> float:
        paths = [motion_path(np.random.default_rng(seed), 12.0, bend) for seed in range(20)]
        return float(np.mean([np.linalg.norm(path[-1] - path[0]) for path in paths]))

    assert reach(0.0) == pytest.approx(12.0)
    assert reach(2.0) < 11.0


def test_a_path_of_no_length_leaves_the_picture() -> None:
    kernel = path_kernel(motion_path(np.random.default_rng(0), 0.0, 0.0))
    assert kernel.max() == pytest.approx(1.0)


def test_linear_light_and_back_is_lossless(tiles: Frame) -> None:
    assert np.array_equal(from_light(to_light(tiles)), tiles)


@pytest.mark.parametrize("optics", OPTICS, ids=lambda optics: optics.__name__)
def test_every_kind_blurs_and_keeps_the_light(optics: object, tiles: Frame) -> None:
    assert callable(optics)
    light = to_light(tiles)
    out = optics(light, np.random.default_rng(8), BLURRED)
    assert out.shape == light.shape
    assert float(out.mean()) == pytest.approx(float(light.mean()), rel=0.03)
    before, after = sharpness(np.stack([tiles, from_light(out)]))
    assert after < 0.9 * before


def test_the_same_seed_gives_the_same_picture_and_another_seed_another(tiles: Frame) -> None:
    first, again, other = (blur(tiles, np.random.default_rng(seed), BLURRED) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_sharp_share_is_left_as_it_is(tiles: Frame) -> None:
    random = np.random.default_rng(6)
    same = [np.array_equal(blur(tiles, random, BlurSettings(sharp_share=0.5)), tiles) for _ in range(60)]
    assert 15 <= sum(same) <= 45


def test_noise_scaling_and_compression_can_each_be_left_out(tiles: Frame) -> None:
    flat = np.full_like(tiles, 90)
    assert np.array_equal(blur(flat, np.random.default_rng(3), OPTICS_ONLY), flat)
