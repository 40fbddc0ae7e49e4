"""Which class reads a checkpoint."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from outofsync.checkpoints.store import Checkpoint, CheckpointError
from outofsync.synchrony.published import PublishedConfig, PublishedModel
from outofsync.synchrony.registry import load_sync
from outofsync.synchrony.schedule import PublishedNetwork

SMALL = PublishedConfig(width=32, depth=1)


def test_the_published_architecture_is_read() -> None:
    checkpoint = Checkpoint("sync", "published", asdict(SMALL), PublishedModel(SMALL).state_dict())
    network = load_sync(checkpoint)
    assert isinstance(network, PublishedNetwork)
    assert network.feature_size == 64


def test_an_unknown_architecture_is_named() -> None:
    with pytest.raises(CheckpointError, match="'perceptron'"):
        load_sync(Checkpoint("sync", "perceptron", {}, {}))


def test_missing_tensors_are_named() -> None:
    tensors = PublishedModel(SMALL).state_dict()
    del tensors["aud_enc.conv7.bias"]
    with pytest.raises(CheckpointError, match=r"aud_enc\.conv7\.bias"):
        load_sync(Checkpoint("sync", "published", asdict(SMALL), tensors))
