"""Augmentation changes what does not matter, and keeps time."""

from __future__ import annotations

import pytest
import torch

from outofsync.synchrony.senses import MelTrack
from training.augment import WarpedMelTrack, colour_bands, disturb, move, recolour


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(4)


def test_views_differ_between_clips_but_not_within_one() -> None:
    picture = torch.rand(80, 80) * 255
    views = move(picture.expand(6, 5, 80, 80).contiguous(), 64)
    assert views.shape == (6, 5, 64, 64)
    assert (views - views[:, :1]).abs().max() < 1e-3
    assert (views[0] - views[1]).abs().mean() > 5


def test_recoloured_pictures_stay_pictures() -> None:
    pictures = torch.rand(16, 5, 64, 64) * 255
    changed = recolour(pictures.clone())
    assert changed.shape == pictures.shape
    assert torch.isfinite(changed).all()
    assert (changed - pictures).abs().mean() > 1


def test_disturbed_sound_keeps_its_time() -> None:
    audio = torch.zeros(32, 16_000)
    audio[:, 8_000:8_200] = 10_000.0
    peaks = disturb(audio).abs().unfold(1, 200, 100).mean(-1).argmax(1) * 100
    assert ((peaks - 8_000).abs() <= 200).float().mean() > 0.8


def test_bands_change_level_but_not_time() -> None:
    mel = torch.zeros(8, 80, 40)
    mel[:, :, 20] = 3.0
    assert (colour_bands(mel).mean(1).argmax(-1) == 20).all()


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
