"""The shared schedule: the published numbers, whatever company a clip keeps."""

from __future__ import annotations

import time
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from outofsync.frames import Frames, RawFrames
from outofsync.synchrony.interface import SyncInput, SyncOutput
from outofsync.synchrony.logmel import LogMel
from outofsync.synchrony.published import PublishedConfig, PublishedModel
from outofsync.synchrony.published.schedule import PassSizes, PublishedNetwork
from outofsync.timing import Stopwatch

CONFIG = PublishedConfig(width=32, depth=2)


@pytest.fixture(scope="module")
def model() -> PublishedModel:
    torch.manual_seed(2)
    model = PublishedModel(CONFIG).eval()
    for name, tensor in model.named_parameters():
        if "embed" in name or "token" in name:
            nn.init.normal_(tensor)
        elif name.startswith("transformer.") and tensor.dim() == 2:
            nn.init.normal_(tensor, std=0.3)  # enough for delays to differ by more than rounding
    for name, statistic in model.named_buffers():
        if name.endswith("running_mean"):
            nn.init.normal_(statistic, std=0.3)
        elif name.endswith("running_var"):
            nn.init.uniform_(statistic, 0.5, 2.0)
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


@pytest.mark.parametrize("windows", [1, 2, 4, 5])
@pytest.mark.parametrize("passes", [None, PassSizes(frames=3, windows=2, chunks=7, judgements=3)])
@pytest.mark.slow
def test_every_window_and_delay_is_judged_as_the_plain_network_does(
    model: PublishedModel, windows: int, passes: PassSizes | None
) -> None:
    one = clip(windows + 4, seed=1)
    (output,) = PublishedNetwork(deepcopy(model), passes=passes).evaluate([one])
    assert_judged_as_plain(output, model, one)


@pytest.mark.slow
def test_a_single_block_of_the_transformer_is_enough() -> None:
    model = PublishedModel(replace(CONFIG, depth=1)).eval()
    one = clip(6, seed=1)
    (output,) = PublishedNetwork(deepcopy(model)).evaluate([one])
    assert_judged_as_plain(output, model, one)


def assert_judged_as_plain(output: SyncOutput, model: PublishedModel, one: SyncInput) -> None:
    logits, features = judged_one_by_one(model, one)
    # Rounding aside, numbers agree; were a frame, a delay or a tap mistaken, they would not.
    assert logits.std() > 1e-2
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


@pytest.mark.gpu
def test_a_card_gives_the_same_numbers(model: PublishedModel, network: PublishedNetwork) -> None:
    on_card = PublishedNetwork(deepcopy(model), "cuda")
    clips = [clip(12, seed=7), clip(40, seed=8)]
    together = on_card.evaluate(clips)
    for one, found, expected in zip(clips, together, network.evaluate(clips), strict=True):
        for name in ("delays", "features"):
            ours, theirs = getattr(found, name), getattr(expected, name)
            np.testing.assert_allclose(ours, theirs, atol=1e-3 * np.abs(theirs).max())
        assert same_bits(on_card.evaluate([one])[0], found)


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


def test_a_watch_is_told_how_long_each_stage_took(network: PublishedNetwork) -> None:
    one, watch = clip(6, seed=1), Stopwatch()
    start = time.perf_counter()
    (watched,) = network.evaluate([one], watch=watch)
    elapsed_ms = (time.perf_counter() - start) * 1000.0
    (unwatched,) = network.evaluate([one])
    assert same_bits(watched, unwatched)
    assert watch.timing_ms.keys() == {"log_mel", "visual_encoder", "audio_encoder", "fusion"}
    assert min(watch.timing_ms.values()) > 0.0
    assert sum(watch.timing_ms.values()) <= elapsed_ms  # no moment counts twice
