"""The published deblurring networks: sizes, any frame, loading."""

from __future__ import annotations

import pytest
import torch

from outofsync.checkpoints.store import Checkpoint, CheckpointError
from outofsync.deblur.unet import UNetDeblur, UNetDeblurLight, load_unet

SMALL = (4, 8, 8, 16, 16)
SMALL_LIGHT = (4, 8, 8, 16)


def parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_published_widths_give_the_published_sizes() -> None:
    with torch.device("meta"):
        assert round(parameters(UNetDeblur()) / 1e6, 1) == 31.0
        assert round(parameters(UNetDeblurLight()) / 1e6, 2) == 1.93


@pytest.mark.parametrize(("height", "width"), [(8, 8), (16, 24), (17, 31), (45, 80)])
def test_frames_of_any_size_keep_it(height: int, width: int) -> None:
    frames = torch.rand(2, 3, height, width)
    for network in (UNetDeblur(widths=SMALL), UNetDeblurLight(widths=SMALL_LIGHT)):
        assert network.eval()(frames).shape == frames.shape


def test_other_channels_serve_other_networks() -> None:
    network = UNetDeblurLight(in_channels=48, out_channels=48, widths=SMALL_LIGHT)
    assert network.eval()(torch.rand(1, 48, 16, 16)).shape == (1, 48, 16, 16)


def test_a_checkpoint_gives_the_same_network_back() -> None:
    torch.manual_seed(0)
    network = UNetDeblur(widths=SMALL).eval()
    loaded = load_unet(Checkpoint("deblur", "unet", {"widths": SMALL}, network.state_dict()))
    frames = torch.rand(1, 3, 24, 24)
    assert not loaded.training
    torch.testing.assert_close(loaded(frames), network(frames))


def test_tensors_of_the_other_network_are_refused() -> None:
    tensors = UNetDeblur(widths=SMALL).state_dict()
    with pytest.raises(CheckpointError, match="unet_light"):
        load_unet(Checkpoint("deblur", "unet_light", {"widths": SMALL_LIGHT}, tensors))


def test_an_unknown_architecture_is_named() -> None:
    with pytest.raises(CheckpointError, match="'sharpen'"):
        load_unet(Checkpoint("deblur", "sharpen", {}, {}))
