"""Operations counted against what one would count by hand."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.matrix_rate import matrix_rate, operations
from benchmarks.schedule import published_schedule, read_clip
from outofsync.constants import DELAYS
from outofsync.synchrony.published import PublishedConfig, PublishedModel
from outofsync.synchrony.published.schedule import PublishedNetwork
from outofsync.synchrony.published.winograd import WinogradConv3d


def conv(inputs: int, outputs: int, taps: int, places: int) -> int:
    """Operations of a convolution with so many taps and output places."""
    return 2 * inputs * outputs * taps * places


def visual(width: int) -> int:
    """Operations of the published visual encoder on one window, layer by layer (docs/method.md)."""
    a, b, c, d = width // 8, width // 4, width // 2, width
    frame = conv(3, a, 49, 112**2) + 4 * conv(a, a, 9, 56**2)
    frame += conv(a, b, 9, 28**2) + 3 * conv(b, b, 9, 28**2) + conv(a, b, 1, 28**2)
    frame += conv(b, c, 27, 14**2) + 3 * conv(c, c, 27, 14**2) + conv(b, c, 1, 14**2)
    frame += conv(c, d, 27, 14**2) + 3 * conv(d, d, 27, 14**2) + conv(c, d, 1, 14**2)
    return 5 * frame


def audio(width: int) -> int:
    """Operations of the published audio encoder on one chunk."""
    a, b, c, d = width // 8, 3 * width // 8, 3 * width // 4, width // 2
    return (
        conv(1, a, 9, 40 * 20)
        + conv(a, b, 9, 19 * 20)
        + conv(b, c, 9, 9 * 9)
        + conv(c, d, 9, 9 * 9)
        + conv(d, d, 9, 9 * 9)
        + conv(d, width, 12, 4)
        + conv(width, width, 1, 4)
    )


def fusion(width: int, depth: int) -> int:
    """Operations of the published transformer on one pair of ten tokens."""
    block = 10 * 6 * 2 * width**2 + 2 * 2 * 10 * 10 * width
    return depth * block + 2 * width


def log_mel(chunks: int) -> int:
    return chunks * 2 * 80 * 257 * 20


@pytest.mark.parametrize("config", [PublishedConfig(), PublishedConfig(width=32, depth=2)])
def test_the_published_network_takes_what_its_layers_add_up_to(config: PublishedConfig) -> None:
    width = config.width
    with torch.device("meta"):
        model = PublishedModel(config).eval().requires_grad_(False)
        frames, mel = torch.empty(2, 3, 5, 224, 224), torch.empty(2, 1, 80, 20)
        assert operations(lambda: model.vis_enc(frames)) == 2 * visual(width)
        assert operations(lambda: model.aud_enc(mel)) == 2 * audio(width)
    assert visual(512) == pytest.approx(71e9, rel=0.01)  # as published


def test_the_published_schedule_computes_everything_anew() -> None:
    model = PublishedModel(PublishedConfig(width=32, depth=2)).eval().requires_grad_(False)
    clip = read_clip(None, 1)
    counted = operations(lambda: published_schedule(model, clip, 0))
    assert counted == 32 * (visual(32) + audio(32) + fusion(32, 2)) + log_mel(31)


# Places are led to their points by rows, time and columns, from 14, 5 and 14 numbers to 22, 9 and 22.
LED = 5 * 22 * 14 * 14 + 9 * 5 * 22 * 14 + 9 * 22 * 22 * 14


def winograd(inputs: int, outputs: int) -> int:
    """Operations of one window's products, and of what leads there and back."""
    return 2 * 9 * 22 * 22 * inputs * outputs + 2 * LED * (inputs + outputs)


def shared_visual(width: int) -> int:
    """Operations of one further frame and window in our schedule."""
    a, b, c, d = width // 8, width // 4, width // 2, width
    frame = conv(3, a, 49, 112**2) + 4 * conv(a, a, 9, 56**2)
    frame += conv(a, b, 9, 28**2) + 3 * conv(b, b, 9, 28**2) + conv(a, b, 1, 28**2)
    frame += conv(b, 3 * c, 9, 14**2) + conv(b, c, 1, 14**2)
    window = 3 * winograd(c, c) + winograd(c, d) + 3 * winograd(d, d) + conv(c, d, 1, 5 * 14**2)
    return frame + window


def shared_fusion(width: int, heads: int) -> int:
    """Operations of one further window in our schedule of two transformer blocks."""
    projected = (5 + 4) * 3 * 2 * width**2  # once for the window, once for the further chunk
    first = 2 * 2 * 10 * 10 * width + 10 * 3 * 2 * width**2
    last = 6 * 2 * width**2 + 2 * 2 * 10 * heads * width
    return projected + DELAYS * (first + last + 2 * width)


@pytest.mark.slow
def test_our_schedule_takes_what_is_new_in_every_further_window() -> None:
    model = PublishedModel(PublishedConfig(width=32, depth=2)).eval().requires_grad_(False)
    network = PublishedNetwork(model)
    one, two, three = (
        operations(partial(network.evaluate, [read_clip(None, windows)])) for windows in (1, 2, 3)
    )
    assert three - two == two - one == shared_visual(32) + audio(32) + log_mel(1) + shared_fusion(32, 4)
    assert one > two - one


def test_winograd_takes_a_sixth_of_the_products() -> None:
    conv3d = nn.Conv3d(24, 40, 3, padding=1).requires_grad_(False)
    quick, maps = WinogradConv3d(conv3d, 5, 14), torch.zeros(2, 24, 5, 14, 14)
    assert operations(lambda: conv3d(maps)) == conv(24, 40, 27, 2 * 5 * 14**2)
    assert operations(lambda: quick(maps)) == 2 * winograd(24, 40)
    assert conv(1, 1, 27, 5 * 14**2) > 6 * (2 * 9 * 22 * 22)


def test_products_and_attention_count_as_multiplications_and_additions() -> None:
    left, right, total = torch.ones(2, 3, 4), torch.ones(2, 4, 5), torch.zeros(2, 3, 5)
    assert operations(lambda: torch.bmm(left, right)) == 2 * 2 * 3 * 4 * 5
    assert operations(lambda: total.baddbmm_(left, right)) == 2 * 2 * 3 * 4 * 5
    query = torch.ones(2, 4, 10, 8)
    assert operations(lambda: F.scaled_dot_product_attention(query, query, query)) == 2 * (2 * 2 * 4 * 800)


def test_a_rate_is_of_the_fastest_round() -> None:
    assert matrix_rate(side=64, rounds=3) > 1e6
