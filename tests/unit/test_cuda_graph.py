"""The graphics card's side of a pass runner: recordings, copies beside the work, and reproducible float32.

Where no card is at hand a pretended one stands in for most of it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pretended_card import PretendedCard
from torch import Tensor, nn
from untrained import WIDTHS, sync_checkpoint

from outofsync.cuda_graph import WARM_UPS, GraphedFunction
from outofsync.deblur.residual import ResidualUNet
from outofsync.deblur.restorer import OnPixels, Restorer
from outofsync.deblur.unet import UNetDeblur
from outofsync.frames import RawFrames
from outofsync.precision import FullFloat32
from outofsync.runner import PassRunner, Precision
from outofsync.synchrony.embedding import (
    AudioFront,
    EmbeddingConfig,
    Encoder,
    VisualFront,
    delay_similarity,
    pool_over_time,
)
from outofsync.synchrony.embedding.inputs import MelTrack, level
from outofsync.synchrony.embedding.schedule import EmbeddingSynchroniser
from outofsync.synchrony.interface import SyncInput


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("record", [True, False])
def test_streams_wait_for_all_that_matters(monkeypatch: pytest.MonkeyPatch, record: bool, seed: int) -> None:
    """Two callers' streams, whatever the order in which a card gets round to its work."""
    pretended = PretendedCard(monkeypatch, seed)
    card = GraphedFunction(lambda batch: batch * 2 + 1, torch.device("cpu"))
    callers = [pretended.stream(), pretended.stream()]
    batches = [torch.full((3,), float(number)) for number in range(10)]
    with pretended:
        fetched = []
        for number, batch in enumerate(batches):
            with pretended.on(callers[number * (seed + 1) % 3 % 2]):
                fetched.append(card.fetch(card(batch, record)))
        found = [wait() for wait in fetched]
    assert [output.tolist() for output in found] == [[2 * number + 1] * 3 for number in range(10)]


def test_each_shape_has_a_recording_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    pretended = PretendedCard(monkeypatch, 0)
    called: list[int] = []

    def function(batch: Tensor) -> Tensor:
        called.append(len(batch))
        return batch + 1

    card = GraphedFunction(function, torch.device("cpu"))
    batches = [torch.zeros(length) for length in (2, 4, 2, 4, 2)]
    with pretended:
        found = [wait() for wait in [card.fetch(card(batch, True)) for batch in batches]]
    assert [output.tolist() for output in found] == [[1.0] * len(batch) for batch in batches]
    assert called == [2] * (WARM_UPS + 1) + [4] * (WARM_UPS + 1)


def switches() -> tuple[bool, bool, bool]:
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    return (cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic)


def test_blocks_of_full_float32_may_overlap_in_any_order() -> None:
    before = switches()
    first, second = FullFloat32(), FullFloat32()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert switches() == (False, False, True)
    second.__exit__(None, None, None)
    assert switches() == before


def test_full_float32_ends_with_a_failing_block() -> None:
    before = switches()
    with pytest.raises(RuntimeError), FullFloat32():
        raise RuntimeError
    assert switches() == before
    assert torch.backends.cudnn.enabled


CONFIG = EmbeddingConfig(width=16, embedding=8, blocks=1)
PASSES: dict[str, tuple[nn.Module, tuple[int, ...], torch.dtype]] = {
    "mouth pictures": (VisualFront(CONFIG), (2, 36, 64, 64), torch.float32),
    "sound": (AudioFront(CONFIG), (2, 80, 138), torch.float32),
    "crops": (OnPixels(ResidualUNet(widths=WIDTHS)), (2, 224, 224, 3), torch.uint8),
    "whole frames": (OnPixels(ResidualUNet(widths=WIDTHS)), (1, 90, 70, 3), torch.uint8),
    "crops, large network": (OnPixels(UNetDeblur(widths=(*WIDTHS, 16))), (2, 224, 224, 3), torch.uint8),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PASSES)
def test_a_pass_can_be_recorded(name: str) -> None:
    """It never reads a value back and never meets a tensor of main memory: either would fail here too."""
    module, shape, dtype = PASSES[name]
    with torch.inference_mode():
        output = module.eval().to("meta")(torch.empty(shape, dtype=dtype, device="meta"))
    assert output.device.type == "meta"


def test_sound_and_comparison_stay_on_their_device() -> None:
    with torch.inference_mode():
        sound = torch.empty(1, 30 * 640, dtype=torch.int16, device="meta")
        mel = MelTrack().to("meta")(level(sound))
        embedding = Encoder(CONFIG).eval().to("meta")(torch.empty(1, 30, 16, device="meta"))
        pooled = pool_over_time(*delay_similarity(embedding, embedding, 15), reach=12)
    assert (mel.shape, pooled.shape) == ((1, 80, 130), (1, 30, 31))
    assert mel.device.type == pooled.device.type == "meta"


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 4, 3, padding=1)).eval()


@pytest.mark.gpu
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("half", 5e-3)])
def test_a_card_computes_what_a_processor_does(precision: Precision, tolerance: float) -> None:
    batches = [torch.randn(8, 3, 32, 32) for _ in range(7)]
    expected = list(PassRunner(network()).to_host(batches))
    runner = PassRunner(network(), "cuda", precision)
    for record in (True, False):
        for found, output in zip(runner.to_host(batches, record=record), expected, strict=True):
            torch.testing.assert_close(found, output, atol=tolerance, rtol=tolerance)


@pytest.mark.gpu
def test_threads_and_streams_share_a_recording() -> None:
    runner = PassRunner(network(), "cuda")
    batches = [torch.randn(8, 3, 32, 32) for _ in range(64)]
    expected = [runner(batch).cpu() for batch in batches]

    def caller(batch: Tensor) -> Tensor:
        with torch.cuda.stream(torch.cuda.Stream()):  # type: ignore[no-untyped-call]
            return runner(batch).cpu()

    with ThreadPoolExecutor(8) as pool:
        assert all(map(torch.equal, pool.map(caller, batches), expected))


def talking(frames: int, seed: int) -> SyncInput:
    random = np.random.default_rng(seed)
    return SyncInput(
        RawFrames(random.integers(0, 256, (frames, 224, 224, 3), np.uint8)),
        random.normal(0, 2000, frames * 640).astype(np.int16),
    )


@pytest.mark.gpu
@pytest.mark.parametrize(("precision", "logits"), [("float32", 1e-3), ("half", 0.1)])
def test_a_card_compares_as_a_processor_does(precision: Precision, logits: float) -> None:
    inputs = [talking(70, 6), talking(9, 7)]
    checkpoint = sync_checkpoint()
    on_card = EmbeddingSynchroniser.from_checkpoint(checkpoint, "cuda", precision).evaluate(inputs)
    on_processor = EmbeddingSynchroniser.from_checkpoint(checkpoint).evaluate(inputs)
    for found, expected in zip(on_card, on_processor, strict=True):
        np.testing.assert_allclose(found.delays, expected.delays, atol=logits)  # of at most 20
        np.testing.assert_allclose(found.features, expected.features, atol=logits / 10)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "half"])
def test_on_a_card_an_input_never_depends_on_its_company(precision: Precision) -> None:
    inputs = [talking(frames, 4) for frames in (70, 9, 600)]
    synchroniser = EmbeddingSynchroniser.from_checkpoint(sync_checkpoint(), "cuda", precision)
    for item, output in zip(inputs, synchroniser.evaluate(inputs), strict=True):
        (alone,) = synchroniser.evaluate([item])
        np.testing.assert_array_equal(alone.delays, output.delays)
        np.testing.assert_array_equal(alone.features, output.features)


@pytest.mark.gpu
@pytest.mark.parametrize("side", [224, 96])
def test_on_a_card_requests_share_passes_and_get_their_own_frames(side: int) -> None:
    torch.manual_seed(0)
    restorer = Restorer(ResidualUNet(widths=WIDTHS), device="cuda")
    random = np.random.default_rng(5)
    brought = [random.integers(0, 256, (count, side, side, 3), np.uint8) for count in (1, 40, 7, 64, 3)]
    alone = [restorer.restore(frames) for frames in brought]
    with ThreadPoolExecutor(len(brought)) as pool:
        for found, expected in zip(pool.map(restorer.restore, brought), alone, strict=True):
            np.testing.assert_array_equal(found, expected)


def blurred(frames: int) -> NDArray[np.uint8]:
    return np.random.default_rng(8).integers(0, 256, (frames, 224, 224, 3), np.uint8)


def restorer(device: str, precision: Precision = "float32") -> Restorer:
    torch.manual_seed(0)
    return Restorer(ResidualUNet(widths=WIDTHS), device=device, precision=precision)


@pytest.mark.gpu
@pytest.mark.parametrize(("precision", "levels", "share"), [("float32", 1, 0.001), ("half", 2, 0.1)])
def test_a_card_restores_as_a_processor_does(precision: Precision, levels: int, share: float) -> None:
    frames = blurred(5)
    found = restorer("cuda", precision).restore(frames).astype(int)
    apart = np.abs(found - restorer("cpu").restore(frames))
    assert apart.max() <= levels
    assert (apart > 0).mean() < share


@pytest.mark.gpu
def test_a_card_out_of_memory_is_as_good_as_before_once_there_is_some() -> None:
    on_card, frames = restorer("cuda"), blurred(5)
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(0.0)
    try:
        with pytest.raises(torch.OutOfMemoryError):
            on_card.restore(frames)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    np.testing.assert_array_equal(on_card.restore(frames), restorer("cuda").restore(frames))
