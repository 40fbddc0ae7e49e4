"""The default network: starts as identity, takes any frame, refuses what is not its own."""

from __future__ import annotations

import pytest
import torch

from outofsync.checkpoints.store import Checkpoint, CheckpointError
from outofsync.deblur.residual import ARCHITECTURE, ResidualUNet, load_residual

WIDTHS = (4, 6, 8, 10)


@pytest.fixture
def network() -> ResidualUNet:
    """A small network that does something."""
    torch.manual_seed(0)
    network = ResidualUNet(widths=WIDTHS)
    torch.nn.init.normal_(network.unet.final.weight, std=0.1)
    return network.eval()


def test_untrained_it_changes_nothing() -> None:
    picture = torch.rand(2, 3, 64, 96)
    assert torch.equal(ResidualUNet(widths=WIDTHS).eval()(picture), picture)


@pytest.mark.parametrize("size", [(224, 224), (33, 70), (1, 5)])
def test_frames_of_any_size(network: ResidualUNet, size: tuple[int, int]) -> None:
    picture = torch.rand(1, 3, *size)
    restored = network(picture)
    assert restored.shape == picture.shape
    assert not torch.equal(restored, picture)


def test_padding_does_not_reach_a_frame_that_needs_none(network: ResidualUNet) -> None:
    wide = torch.rand(1, 3, 64, 64)
    padded = torch.nn.functional.pad(wide, (0, 32, 0, 0), mode="replicate")
    narrower = padded[..., : 64 + 16]  # padded back to 96 by the network itself
    assert torch.equal(network(narrower), network(padded)[..., : 64 + 16])


def test_a_checkpoint_gives_the_same_network_back(network: ResidualUNet) -> None:
    checkpoint = Checkpoint("deblur", ARCHITECTURE, {"widths": list(WIDTHS)}, dict(network.state_dict()))
    picture = torch.rand(1, 3, 32, 32)
    assert torch.equal(load_residual(checkpoint)(picture), network(picture))


@pytest.mark.parametrize(
    ("architecture", "config"),
    [("unet_light", {}), (ARCHITECTURE, {"widths": [8, 8, 8, 8]}), (ARCHITECTURE, {"depth": 3})],
)
def test_what_does_not_fit_is_refused(
    network: ResidualUNet, architecture: str, config: dict[str, object]
) -> None:
    with pytest.raises(CheckpointError):
        load_residual(Checkpoint("deblur", architecture, config, dict(network.state_dict())))
