"""The shared schedule: the published numbers, whatever company a clip keeps."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from outofsync.clip import Frames, RawFrames
from outofsync.synchrony.interface import SyncInput, SyncOutput
from outofsync.synchrony.logmel import LogMel
from outofsync.synchrony.published import PublishedConfig, PublishedModel
from outofsync.synchrony.schedule import PassSizes, PublishedNetwork

CONFIG = PublishedConfig(width=32, depth=2)


@pytest.fixture(scope="module")
def model() -> PublishedModel:
    torch.manual_seed(2)
    model = PublishedModel(CONFIG).eval()
    for name, tensor in model.named_parameters():
        if "embed" in name or "token" in name:
            nn.init.normal_(tensor)
    return model


@pytest.fixture(scope="module")
def network(model: PublishedModel) -> PublishedNetwork:
    return PublishedNetwork(deepcopy(model))


def clip(frames: int, seed: int, *, samples: int | None = None) -> SyncInput:
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 256, (frames, 224, 224, 3), np.uint8)
    sound = rng.integers(-5000, 5000, frames * 640 if samples is None else samples).astype(np.int16)
    return SyncInput(RawFrames(pictures), sound)


@torch.inference_mode()
def judged_one_by_one(model: PublishedModel, one: SyncInput) -> tuple[Tensor, Tensor]:
    """Every window against every delay, each pair by itself."""
    padded = np.pad(one.audio, 15 * 640)
    logits, features = [], []
    for window in range(one.windows):
        frames = torch.tensor(one.frames.read(window, window + 5)).float().permute(3, 0, 1, 2)
        starts = [(window + delay) * 640 for delay in range(31)]
        chunks = torch.from_numpy(np.stack([padded[start : start + 3200] for start in starts]))
        pair_logits, pair_features = model(frames.expand(31, -1, -1, -1, -1), LogMel()(chunks).unsqueeze(1))
        logits.append(pair_logits)
        features.append(pair_features[15])
    return torch.stack(logits), torch.stack(features)


def test_every_window_and_delay_is_judged_as_the_plain_network_does(
    model: PublishedModel, network: PublishedNetwork
) -> None:
    one = clip(6, seed=1)
    (output,) = network.evaluate([one])
    logits, features = judged_one_by_one(model, one)
    torch.testing.assert_close(torch.from_numpy(output.delays), logits, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(torch.from_numpy(output.features), features, rtol=1e-4, atol=1e-4)


def same_bits(a: SyncOutput, b: SyncOutput) -> bool:
    return np.array_equal(a.delays, b.delays) and np.array_equal(a.features, b.features)


def test_a_clip_has_the_same_bits_alone_and_in_any_batch(network: PublishedNetwork) -> None:
    clips = [clip(6, seed=1), clip(7, seed=2), clip(3, seed=3), clip(5, seed=4)]
    together = network.evaluate(clips)
    reversed_order = network.evaluate(clips[::-1])[::-1]
    for one, batched, other_way_round in zip(clips, together, reversed_order, strict=True):
        (alone,) = network.evaluate([one])
        assert same_bits(alone, batched)
        assert same_bits(alone, other_way_round)


def test_too_short_a_clip_gives_no_windows(network: PublishedNetwork) -> None:
    outputs = network.evaluate([clip(4, seed=1), clip(50, seed=1, samples=0)])
    assert [output.delays.shape for output in outputs] == [(0, 31), (0, 31)]
    assert [output.features.shape for output in outputs] == [(0, 64), (0, 64)]


def test_sound_beyond_the_last_frame_is_heard_at_positive_delays_only(network: PublishedNetwork) -> None:
    longer = clip(6, seed=1, samples=20 * 640)
    cut = SyncInput(longer.frames, longer.audio[: 6 * 640])
    heard, unheard = network.evaluate([longer, cut])
    assert np.array_equal(heard.features, unheard.features)
    assert np.array_equal(heard.delays[0, :17], unheard.delays[0, :17])
    assert not np.array_equal(heard.delays[0, 17:], unheard.delays[0, 17:])


class CountedFrames(RawFrames):
    """Remembers how much was asked for."""

    def __init__(self, frames: Frames) -> None:
        super().__init__(frames)
        self.reads: list[tuple[int, int]] = []

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        self.reads.append((start, stop))
        return super().read(start, stop)


def test_every_frame_is_read_once_in_small_blocks(model: PublishedModel) -> None:
    frames = CountedFrames(np.zeros((30, 224, 224, 3), np.uint8))
    sizes = PassSizes(frames=8, windows=8, chunks=16, judgements=4)
    PublishedNetwork(deepcopy(model), passes=sizes).evaluate(
        [SyncInput(frames, np.zeros(30 * 640, np.int16))]
    )
    assert [index for start, stop in frames.reads for index in range(start, stop)] == list(range(30))
    assert max(stop - start for start, stop in frames.reads) <= 25
