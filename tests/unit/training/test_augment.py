"""Augmentation changes what does not matter, and keeps time."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from outofsync.synchrony.embedding.inputs import MelTrack
from training.augment import (
    BLOCK,
    COARSENESS,
    WarpedMelTrack,
    add_noise,
    augment_mel,
    photometric,
    quantise_blocks,
    random_affine,
)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(4)


def test_views_differ_between_clips_but_not_within_one() -> None:
    picture = torch.rand(80, 80) * 255
    views = random_affine(picture.expand(6, 5, 80, 80).contiguous(), 64)
    assert views.shape == (6, 5, 64, 64)
    assert (views - views[:, :1]).abs().max() < 1e-3
    assert (views[0] - views[1]).abs().mean() > 5


def test_recoloured_pictures_stay_pictures() -> None:
    pictures = torch.rand(16, 5, 64, 64) * 255
    changed = photometric(pictures.clone())
    assert changed.shape == pictures.shape
    assert torch.isfinite(changed).all()
    assert (changed - pictures).abs().mean() > 1


def test_the_same_seed_recolours_alike() -> None:
    pictures = torch.rand(16, 5, 60, 60) * 255
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(photometric(pictures.clone()))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_coding_loses_detail_but_keeps_each_block_about_as_light() -> None:
    pictures = torch.rand(16, 5, 64, 64) * 255
    found = quantise_blocks(pictures)
    assert found.shape == pictures.shape
    lost = (found - pictures).abs().mean((1, 2, 3))
    assert (lost > 1).all()
    assert lost.max() > 2 * lost.min()
    means = [F.avg_pool2d(each, BLOCK) for each in (found, pictures)]
    assert (means[0] - means[1]).abs().max() <= COARSENESS[1] / 2 / BLOCK + 1e-3


def test_blocks_are_coded_apart_from_each_other() -> None:
    pictures = torch.full((4, 3, 32, 32), 128.0)
    pictures[:, 1, 8:16, 16:24] = torch.rand(8, 8) * 255
    torch.manual_seed(1)
    found = quantise_blocks(pictures)
    torch.manual_seed(1)
    even = quantise_blocks(torch.full_like(pictures, 128.0))
    outside = torch.ones(3, 32, 32, dtype=torch.bool)
    outside[1, 8:16, 16:24] = False
    torch.testing.assert_close(found[:, outside], even[:, outside])
    assert (found - even)[:, ~outside].abs().mean() > 5


def test_what_was_coded_before_stays_as_it_is() -> None:
    pictures = torch.rand(4, 2, 32, 32) * 255
    torch.manual_seed(1)
    once = quantise_blocks(pictures)
    torch.manual_seed(1)
    torch.testing.assert_close(quantise_blocks(once), once, atol=1e-2, rtol=0)


@pytest.mark.parametrize("side", [7, 60])
def test_an_edge_of_less_than_a_block_is_not_coded(side: int) -> None:
    pictures = torch.rand(2, 3, side, side) * 255
    found = quantise_blocks(pictures)
    whole = side // BLOCK * BLOCK
    assert found.shape == pictures.shape
    assert torch.equal(found[..., whole:, :], pictures[..., whole:, :])
    assert torch.equal(found[..., whole:], pictures[..., whole:])


def test_disturbed_sound_keeps_its_time() -> None:
    audio = torch.zeros(32, 16_000)
    audio[:, 8_000:8_200] = 10_000.0
    peaks = add_noise(audio).abs().unfold(1, 200, 100).mean(-1).argmax(1) * 100
    assert ((peaks - 8_000).abs() <= 200).float().mean() > 0.8


def test_bands_change_level_but_not_time() -> None:
    mel = torch.zeros(8, 80, 40)
    mel[:, :, 20] = 3.0
    assert (augment_mel(mel).mean(1).argmax(-1) == 20).all()


def test_another_vocal_tract_moves_bands_but_not_time() -> None:
    tone = 8_000 * torch.sin(2 * torch.pi * 2_000 * torch.arange(64_000) / 16_000).expand(40, -1).clone()
    tone[:, 32_000:] = 0
    plain, warped = MelTrack()(tone), WarpedMelTrack()(tone)
    assert warped.shape == plain.shape
    bands = warped[:, :, 100].argmax(1)
    assert len(set(bands.tolist())) > 5
    assert (bands - plain[0, :, 100].argmax()).abs().max() < 12
    edges = (warped.amax(1) - warped.amax(1).amin()).diff(dim=1).argmin(1)
    assert (edges - edges[0]).abs().max() <= 1
