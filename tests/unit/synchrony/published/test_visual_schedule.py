"""What windows share gives each of them the maps it would have alone."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import nn

from outofsync.folding import fold_batch_norms
from outofsync.synchrony.published.encoders import VisualEncoder
from outofsync.synchrony.published.visual_schedule import SharedVisualEncoder


@pytest.fixture(scope="module")
def plain() -> VisualEncoder:
    torch.manual_seed(3)
    encoder = VisualEncoder(16).eval()
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.normal_(module.bias, std=0.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return encoder


@pytest.mark.parametrize("winograd", [False, True])
@pytest.mark.parametrize("windows", [1, 2, 4, 5, 9])
@torch.inference_mode()
def test_shared_maps_are_those_of_each_window_alone(
    plain: VisualEncoder, windows: int, winograd: bool
) -> None:
    frames = torch.rand(windows + 4, 3, 64, 64, generator=torch.Generator().manual_seed(windows)) * 255
    encoder = deepcopy(plain)
    fold_batch_norms(encoder)
    shared = SharedVisualEncoder(encoder, side=4, winograd=winograd)
    found = shared.encode_windows(*shared.encode_frames(frames))
    alone = torch.cat([plain(frames[k : k + 5].transpose(0, 1)[None]) for k in range(windows)])
    assert found.shape == alone.shape == (windows, 16, 5, 4, 4)
    assert (alone[:, :, 0] - alone[:, :, 4]).abs().max() > 0.1  # ends differ, so mistaking them would show
    torch.testing.assert_close(found, alone, rtol=1e-4, atol=1e-4 * float(alone.max()))
