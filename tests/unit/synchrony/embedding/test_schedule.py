"""The embedding network: shapes, delays, and numbers that depend on the input alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from untrained import EMBEDDING, sync_checkpoint

from outofsync.checkpoints.store import Checkpoint, CheckpointError
from outofsync.frames import RawFrames
from outofsync.synchrony.embedding import delay_similarity, pool_over_time
from outofsync.synchrony.embedding.schedule import EmbeddingSynchroniser
from outofsync.synchrony.interface import SyncInput
from outofsync.synchrony.registry import load_sync
from outofsync.timing import Stopwatch


def talking(frames: int, seed: int) -> SyncInput:
    random = np.random.default_rng(seed)
    pictures = random.integers(0, 255, (frames, 224, 224, 3), np.uint8)
    audio = random.normal(0, 2000, frames * 640).astype(np.int16)
    return SyncInput(RawFrames(pictures), audio)


@pytest.fixture(scope="module")
def network() -> EmbeddingSynchroniser:
    return EmbeddingSynchroniser.from_checkpoint(sync_checkpoint())


def test_each_window_has_31_delays_and_its_features(network: EmbeddingSynchroniser) -> None:
    (output,) = network.evaluate([talking(40, 1)])
    assert output.delays.shape == (36, 31)
    assert output.features.shape == (36, network.feature_size) == (36, 2 * EMBEDDING)
    assert output.delays.dtype == output.features.dtype == np.float32


def test_an_input_never_depends_on_its_company(network: EmbeddingSynchroniser) -> None:
    inputs = [talking(70, 1), talking(9, 2), talking(33, 3)]
    together = network.evaluate(inputs)
    for item, output in zip(inputs, together, strict=True):
        (alone,) = network.evaluate([item])
        np.testing.assert_array_equal(alone.delays, output.delays)
        np.testing.assert_array_equal(alone.features, output.features)


def test_crops_read_ahead_are_the_same(
    network: EmbeddingSynchroniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = []
    for threads in (1, 4):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        outputs.append(network.evaluate([talking(300, 1), talking(0, 2), talking(40, 3)]))
    for alone, together in zip(*outputs, strict=True):
        np.testing.assert_array_equal(alone.delays, together.delays)


def test_half_precision_is_close_and_as_free_of_company() -> None:
    torch.manual_seed(1)
    checkpoint = sync_checkpoint()
    network = EmbeddingSynchroniser.from_checkpoint(checkpoint)
    half = EmbeddingSynchroniser.from_checkpoint(checkpoint, precision="half")
    inputs = [talking(70, 1), talking(9, 2)]
    together = half.evaluate(inputs)
    for item, output, expected in zip(inputs, together, network.evaluate(inputs), strict=True):
        (alone,) = half.evaluate([item])
        np.testing.assert_array_equal(alone.delays, output.delays)
        assert 0 < abs(output.delays - expected.delays).max() < 0.1 * abs(expected.delays).max()
        np.testing.assert_allclose(output.features, expected.features, atol=0.02)


def test_a_watch_is_told_of_each_stage_and_changes_nothing(network: EmbeddingSynchroniser) -> None:
    watch = Stopwatch()
    (watched,), (expected,) = (
        network.evaluate([talking(40, 1)], watch=watch),
        network.evaluate([talking(40, 1)]),
    )
    stages = {"mouth_pictures", "log_mel", "visual_encoder", "audio_encoder", "fusion"}
    assert set(watch.timing_ms) == stages
    np.testing.assert_array_equal(watched.delays, expected.delays)


def test_inputs_too_short_for_a_window_yield_nothing(network: EmbeddingSynchroniser) -> None:
    empty, short, enough = network.evaluate([talking(0, 1), talking(4, 2), talking(5, 3)])
    assert (len(empty.delays), len(short.delays), len(enough.delays)) == (0, 0, 1)


def test_sound_beyond_the_picture_is_left_out(network: EmbeddingSynchroniser) -> None:
    item = talking(30, 4)
    longer = SyncInput(item.frames, np.concatenate([item.audio, item.audio]))
    (expected,), (found,) = network.evaluate([item]), network.evaluate([longer])
    np.testing.assert_array_equal(found.delays, expected.delays)


def test_similarity_is_found_at_its_delay() -> None:
    visual = torch.nn.functional.normalize(torch.randn(1, 40, 64), dim=-1)
    audio = visual.roll(3, 1)  # what is seen is heard three frames later
    similarity, valid = delay_similarity(visual, audio, 15)
    pooled = pool_over_time(similarity, valid, 4)
    assert (pooled[0, 5:30].argmax(-1) == 15 + 3).all()


@pytest.mark.parametrize("reach", [0, 3, 50])
def test_pooling_is_the_mean_of_what_is_valid(reach: int) -> None:
    similarity, valid = torch.randn(2, 12, 7), torch.rand(12, 7) < 0.7
    valid[:, 2] = False  # a delay that nobody could be compared at
    pooled = pool_over_time(similarity, valid, reach)
    for frame in range(12):
        near = slice(max(0, frame - reach), frame + reach + 1)
        for delay in range(7):
            chosen = similarity[0, near, delay][valid[near, delay]]
            if not len(chosen):
                chosen = similarity[0, :, delay][valid[:, delay]]
            expected = chosen.mean() if len(chosen) else torch.tensor(0.0)
            torch.testing.assert_close(pooled[0, frame, delay], expected, atol=1e-5, rtol=1e-5)


def test_the_checkpoint_says_which_network_it_is() -> None:
    assert isinstance(load_sync(sync_checkpoint()), EmbeddingSynchroniser)


def test_wrong_tensors_are_refused() -> None:
    good = sync_checkpoint()
    bad = Checkpoint("sync", "embedding", {**good.config, "width": 16}, good.tensors)
    with pytest.raises(CheckpointError, match="tensors of an embedding network"):
        load_sync(bad)
    with pytest.raises(CheckpointError, match="embedding network"):
        load_sync(Checkpoint("sync", "embedding", {"size": 1}, {}))


def test_a_long_input_in_blocks_gives_the_same_numbers(
    network: EmbeddingSynchroniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = talking(100, 5)
    (whole,) = network.evaluate([item])
    monkeypatch.setattr("outofsync.synchrony.embedding.schedule.BLOCK", 32)
    monkeypatch.setattr("outofsync.synchrony.embedding.network.COMPARED_AT_ONCE", 17)
    (parts,) = network.evaluate([item])
    np.testing.assert_allclose(parts.delays, whole.delays, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(parts.features, whole.features, rtol=1e-4, atol=1e-5)
