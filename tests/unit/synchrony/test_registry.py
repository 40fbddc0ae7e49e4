"""Which class reads a checkpoint."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
from untrained import sync_checkpoint

from outofsync.checkpoints.store import Checkpoint, CheckpointError
from outofsync.frames import RawFrames
from outofsync.runner import PRECISIONS
from outofsync.synchrony.interface import SyncInput
from outofsync.synchrony.published import PublishedConfig, PublishedModel
from outofsync.synchrony.published.schedule import PublishedNetwork
from outofsync.synchrony.registry import load_sync

SMALL = PublishedConfig(width=32, depth=1)


def test_the_published_architecture_is_read() -> None:
    checkpoint = Checkpoint("sync", "published", asdict(SMALL), PublishedModel(SMALL).state_dict())
    network = load_sync(checkpoint)
    assert isinstance(network, PublishedNetwork)
    assert network.feature_size == 64


def test_the_published_network_keeps_its_precision() -> None:
    checkpoint = Checkpoint("sync", "published", asdict(SMALL), PublishedModel(SMALL).state_dict())
    random = np.random.default_rng(2)
    frames = random.integers(0, 256, (5, 224, 224, 3), np.uint8)
    clip = SyncInput(RawFrames(frames), random.integers(-3000, 3000, 5 * 640, np.int16))
    (full,), (half,) = (load_sync(checkpoint, "cpu", name).evaluate([clip]) for name in PRECISIONS[:2])
    np.testing.assert_array_equal(half.delays, full.delays)


def test_an_unknown_architecture_is_named() -> None:
    with pytest.raises(CheckpointError, match="'perceptron'"):
        load_sync(Checkpoint("sync", "perceptron", {}, {}))


def test_missing_tensors_are_named() -> None:
    tensors = PublishedModel(SMALL).state_dict()
    del tensors["aud_enc.conv7.bias"]
    with pytest.raises(CheckpointError, match=r"aud_enc\.conv7\.bias"):
        load_sync(Checkpoint("sync", "published", asdict(SMALL), tensors))


def test_an_option_that_is_served_no_longer_may_be_named_and_not_used() -> None:
    checkpoint = sync_checkpoint()
    expected = load_sync(checkpoint).feature_size
    assert (
        load_sync(replace(checkpoint, config={**checkpoint.config, "gated": False})).feature_size == expected
    )
    with pytest.raises(CheckpointError, match="gated=True"):
        load_sync(replace(checkpoint, config={**checkpoint.config, "gated": True}))
    with pytest.raises(CheckpointError, match="colour"):
        load_sync(replace(checkpoint, config={**checkpoint.config, "colour": False}))
