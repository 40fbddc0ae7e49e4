"""What the embedding network sees and hears."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from outofsync.constants import MOUTH_CENTRE
from outofsync.synchrony.embedding import MEL_REACH
from outofsync.synchrony.embedding.inputs import MelTrack, centre_pictures, gain, level, mouth_pictures


def test_the_mouth_is_in_the_middle() -> None:
    face = np.zeros((1, 224, 224, 3), np.uint8)
    x, y = MOUTH_CENTRE
    face[0, y - 4 : y + 4, x - 20 : x + 20] = 255
    (picture,) = mouth_pictures(face)
    rows, columns = np.nonzero(picture > 100)
    assert (rows.mean(), columns.mean()) == pytest.approx((39.5, 39.5), abs=1)
    assert centre_pictures(picture[None], 64).shape == (1, 64, 64)


def test_a_mel_track_has_four_steps_a_frame_and_a_margin() -> None:
    mel = MelTrack()(torch.randn(2, 640 * 7) * 2000)
    assert mel.shape == (2, 80, 4 * 7 + 2 * MEL_REACH)


def test_a_click_appears_at_its_time() -> None:
    audio = torch.zeros(1, 640 * 25)
    audio[0, 640 * 10] = 20_000  # at the beginning of frame 10
    energy = MelTrack()(audio)[0].mean(0)
    assert int(energy.argmax()) - MEL_REACH == pytest.approx(40, abs=1)


def test_loudness_is_levelled_and_silence_stays() -> None:
    quiet, loud = torch.randn(16_000) * 300, torch.randn(16_000) * 9000
    assert level(quiet).square().mean().sqrt() == pytest.approx(2000, rel=1e-3)
    assert level(loud).square().mean().sqrt() == pytest.approx(2000, rel=1e-3)
    assert level(loud / 1000).square().mean().sqrt() == pytest.approx(2000, rel=1e-3), "turned down by 60 dB"
    assert not level(torch.zeros(100)).any()


def test_a_span_of_log_mel_is_that_of_the_whole_track() -> None:
    audio = torch.from_numpy(np.random.default_rng(3).normal(0, 2000, 640 * 40).astype(np.float32))
    mel = MelTrack()
    whole = mel(audio[None])[0]
    for start, frames in ((0, 8), (5, 20), (32, 8)):
        expected = whole[:, 4 * start : 4 * (start + frames) + 10]
        torch.testing.assert_close(mel.span(audio, start, frames), expected, rtol=1e-5, atol=1e-5)


def test_gain_is_the_level_of_training() -> None:
    random = np.random.default_rng(4)
    for loudness in (0, 5, 300, 9000):
        audio = random.normal(0, loudness, 5000).clip(-32768, 32767).astype(np.int16)
        expected = level(torch.from_numpy(audio))
        torch.testing.assert_close(torch.from_numpy(audio).float() * gain(audio), expected)
