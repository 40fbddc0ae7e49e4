"""Winograd's convolutions give what plain ones give, with fewer products."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from outofsync.synchrony.published.winograd import SPACE_TILE, TIME_TILE, Axis, WinogradConv3d, use_winograd


@pytest.mark.parametrize(("length", "largest"), [(1, 3), (2, 4), (5, 3), (14, 4), (7, 2), (6, 4)])
def test_an_axis_filters_as_a_padded_convolution_does(length: int, largest: int) -> None:
    torch.manual_seed(length)
    values, taps = torch.randn(length, dtype=torch.float64), torch.randn(3, dtype=torch.float64)
    axis = Axis.of(length, largest)
    kernel = (axis.kernel @ taps).repeat_interleave(torch.tensor(axis.tiles))
    filtered = axis.back @ (kernel * (axis.into @ values))
    torch.testing.assert_close(filtered, F.conv1d(values[None], taps[None, None], padding=1)[0])


def test_the_published_maps_need_a_sixth_of_the_products() -> None:
    time, space = Axis.of(5, TIME_TILE), Axis.of(14, SPACE_TILE)
    assert (time.rows, space.rows) == (5 + 4, 3 * 6 + 4)
    plain = 5 * 14 * 14 * 27
    assert time.rows * space.rows**2 == pytest.approx(plain / 6, rel=0.02)


def random_conv(inputs: int, outputs: int, *, bias: bool) -> nn.Conv3d:
    torch.manual_seed(inputs + outputs)
    return nn.Conv3d(inputs, outputs, 3, padding=1, bias=bias)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("windows", "frames", "side"), [(1, 5, 14), (3, 5, 14), (2, 4, 7), (2, 1, 2)])
@torch.inference_mode()
def test_maps_are_those_of_a_plain_convolution(windows: int, frames: int, side: int, bias: bool) -> None:
    conv = random_conv(6, 9, bias=bias)
    maps = torch.randn(windows, 6, frames, side, side)
    found = WinogradConv3d(conv, frames, side)(maps)
    torch.testing.assert_close(found, conv(maps), rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_rounding_stays_near_that_of_a_plain_convolution() -> None:
    conv = random_conv(64, 64, bias=True)
    maps = torch.randn(2, 64, 5, 14, 14).relu()
    exact = conv.double()(maps.double())

    def error(found: Tensor) -> float:
        return float((found - exact).norm() / exact.norm())

    assert error(WinogradConv3d(conv.float(), 5, 14)(maps)) < 2e-5
    assert error(conv(maps)) > 1e-8  # the measure can tell


@torch.inference_mode()
def test_every_convolution_of_a_network_is_replaced() -> None:
    network = nn.Sequential(random_conv(4, 8, bias=True), nn.ReLU(), nn.Sequential(nn.Conv3d(8, 5, 1)))
    maps = torch.randn(2, 4, 5, 14, 14)
    before = network(maps)
    use_winograd(network, frames=5, side=14)
    assert not any(isinstance(module, nn.Conv3d) for module in network.modules())
    torch.testing.assert_close(network(maps), before, rtol=1e-4, atol=1e-5)
