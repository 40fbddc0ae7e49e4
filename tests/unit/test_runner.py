"""Passes on a device: what a network says comes out as it is, in order, and half precision stays close."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from outofsync.cuda_graph import IN_FLIGHT
from outofsync.runner import PassRunner, Precision, timed
from outofsync.timing import Stopwatch


def network() -> nn.Module:
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.ConvTranspose2d(8, 4, 2, 2), nn.Flatten())
    return nn.Sequential(*layers, nn.Linear(4 * 12 * 12, 5)).eval()


class Rounded(nn.Module):
    """Gives whole numbers."""

    def forward(self, batch: Tensor) -> Tensor:
        return batch.round().to(torch.uint8)


@pytest.fixture
def batches() -> list[Tensor]:
    return [torch.randn(4, 3, 6, 6) for _ in range(5)]


def test_float32_on_a_processor_is_the_network_itself(batches: list[Tensor]) -> None:
    runner = PassRunner(network())
    with torch.inference_mode():
        expected = [network()(batch) for batch in batches]
    assert all(torch.equal(runner(batch), out) for batch, out in zip(batches, expected, strict=True))
    assert all(map(torch.equal, runner.to_host(batches), expected))


def test_no_batches_are_no_outputs() -> None:
    assert list(PassRunner(network()).to_host([])) == []


def test_batches_are_read_as_they_are_needed(batches: list[Tensor]) -> None:
    read = 0

    def reading() -> Iterator[Tensor]:
        nonlocal read
        for batch in batches:
            read += 1
            yield batch

    outputs = PassRunner(network()).to_host(reading())
    next(outputs)
    assert read == IN_FLIGHT


@pytest.mark.parametrize("precision", ["half", "float16", "bfloat16"])
def test_half_precision_is_close_and_comes_out_as_float32(
    precision: Precision, batches: list[Tensor]
) -> None:
    runner = PassRunner(network(), precision=precision)
    out, expected = runner(batches[0]), PassRunner(network())(batches[0])
    assert out.dtype == torch.float32
    assert not torch.equal(out, expected)
    torch.testing.assert_close(out, expected, atol=0.02, rtol=0.02)


def test_half_precision_keeps_weights_as_they_are_used() -> None:
    taken_over = network()
    PassRunner(taken_over, precision="half")
    assert {parameter.dtype for parameter in taken_over.parameters()} == {torch.bfloat16}


def test_whole_numbers_stay_whole_in_half_precision(batches: list[Tensor]) -> None:
    assert PassRunner(Rounded(), precision="half")(batches[0]).dtype == torch.uint8


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ValueError, match="'fp8' is none of float32, half,"):
        PassRunner(network(), precision="fp8")  # type: ignore[arg-type]


def test_a_stage_is_timed_where_there_is_a_watch() -> None:
    watch = Stopwatch()
    with timed(None, "left out", torch.device("cpu")), timed(watch, "kept", torch.device("cpu")):
        pass
    assert list(watch.timing_ms) == ["kept"]
