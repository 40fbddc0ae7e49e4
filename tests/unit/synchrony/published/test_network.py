"""The published network's sizes and quirks."""

from __future__ import annotations

import pytest
import torch

from outofsync.checkpoints.store import CheckpointError
from outofsync.synchrony.published import PublishedConfig, PublishedModel

SMALL = PublishedConfig(width=32, depth=2, visual_length=8, audio_length=64)


def test_the_published_sizes_give_the_published_maps() -> None:
    with torch.device("meta"):
        model = PublishedModel(PublishedConfig())
        assert model.vis_enc(torch.empty(1, 3, 5, 224, 224)).shape == (1, 512, 5, 14, 14)
        assert model.aud_enc(torch.empty(1, 1, 80, 20)).shape == (1, 512, 4)
    assert len(model.state_dict()) == 207


def test_sizes_are_read_off_the_tensors() -> None:
    assert PublishedConfig.from_tensors(PublishedModel(SMALL).state_dict()) == SMALL


def test_another_network_has_no_sizes_to_read() -> None:
    with pytest.raises(CheckpointError, match="cls_token"):
        PublishedConfig.from_tensors({"weight": torch.zeros(1)})


def test_longer_embeddings_serve_the_same_windows() -> None:
    logits, features = PublishedModel(SMALL).eval()(torch.rand(2, 3, 5, 224, 224), torch.randn(2, 1, 80, 20))
    assert logits.shape == (2,)
    assert features.shape == (2, 64)


def test_tokens_are_reinterpreted_not_transposed() -> None:
    fusion = PublishedModel(SMALL).transformer
    encoded = torch.arange(32 * 4, dtype=torch.float32).reshape(1, 32, 4)
    tokens = fusion.audio_tokens(encoded)
    assert tokens[0, 0].tolist() == list(range(32))  # eight channels of four steps side by side
