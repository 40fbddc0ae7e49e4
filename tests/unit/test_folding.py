"""Batch norms folded into convolutions."""

from __future__ import annotations

import torch
from torch import nn

from outofsync.folding import fold_batch_norms
from outofsync.synchrony.published.encoders import AudioEncoder, VisualEncoder


def with_statistics(network: nn.Module) -> nn.Module:
    """Give batch norms something to fold."""
    torch.manual_seed(5)
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm3d)):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.uniform_(module.bias, -1, 1)
    return network.eval()


@torch.inference_mode()
def same_after_folding(network: nn.Module, example: torch.Tensor) -> None:
    before = network(example)
    fold_batch_norms(network)
    assert not any(isinstance(module, (nn.BatchNorm2d, nn.BatchNorm3d)) for module in network.modules())
    torch.testing.assert_close(network(example), before, rtol=1e-4, atol=1e-4)


def test_folding_leaves_the_visual_encoder_as_it_was() -> None:
    same_after_folding(with_statistics(VisualEncoder(32)), torch.rand(1, 3, 5, 64, 64))


def test_folding_leaves_the_audio_encoder_as_it_was() -> None:
    same_after_folding(with_statistics(AudioEncoder(32)), torch.randn(2, 1, 80, 20))
