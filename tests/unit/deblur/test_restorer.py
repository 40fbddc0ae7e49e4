"""Restoring frames: one interface for every architecture, the same bytes in any company."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from outofsync.checkpoints.store import Checkpoint, CheckpointError
from outofsync.deblur.residual import ARCHITECTURE, ResidualUNet
from outofsync.deblur.restorer import BATCH, Restorer, batch_size
from outofsync.deblur.sharpness import BLURRY_BELOW
from outofsync.deblur.unet import UNetDeblur, UNetDeblurLight
from outofsync.dynamic_batcher import DynamicBatcher

WIDTHS = (4, 6, 8, 10)
Frames = NDArray[np.uint8]


def lively(network: torch.nn.Module) -> torch.nn.Module:
    """Random weights and batch statistics, so that every layer shows in the output."""
    torch.manual_seed(3)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2.0)
        elif tensor.is_floating_point():
            tensor.normal_(0, 0.15)
    return network.eval()


NETWORKS: dict[str, torch.nn.Module] = {
    ARCHITECTURE: lively(ResidualUNet(widths=WIDTHS)),
    "unet_light": lively(UNetDeblurLight(widths=WIDTHS)),
    "unet": lively(UNetDeblur(widths=(*WIDTHS, 12))),
}


def checkpoint(architecture: str, **config: object) -> Checkpoint:
    network = NETWORKS[architecture]
    widths = list(WIDTHS) + ([12] if architecture == "unet" else [])
    tensors = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    return Checkpoint("deblur", architecture, {"widths": widths, **config}, tensors)


@pytest.fixture(scope="module")
def frames() -> Frames:
    return np.random.default_rng(5).integers(0, 256, (BATCH + 3, 48, 40, 3), dtype=np.uint8)


@pytest.mark.parametrize("architecture", NETWORKS)
def test_every_architecture_is_applied_at_the_frames_own_size(architecture: str, frames: Frames) -> None:
    restored = Restorer.from_checkpoint(checkpoint(architecture)).restore(frames)
    assert restored.shape == frames.shape
    assert restored.dtype == np.uint8
    with torch.inference_mode():
        expected = NETWORKS[architecture](torch.from_numpy(frames).permute(0, 3, 1, 2) / 255).clamp(0, 1)
    difference = restored - expected.permute(0, 2, 3, 1).numpy() * 255
    assert abs(difference).max() < 0.51  # rounding alone: folded batch norms change nothing that shows


@pytest.mark.parametrize("architecture", NETWORKS)
def test_a_frame_is_restored_alike_in_any_company(architecture: str, frames: Frames) -> None:
    restorer = Restorer.from_checkpoint(checkpoint(architecture))
    together = restorer.restore(frames)
    for index in (0, BATCH - 1, BATCH, len(frames) - 1):
        assert np.array_equal(restorer.restore(frames[index : index + 1])[0], together[index])


@pytest.mark.parametrize("architecture", NETWORKS)
def test_half_precision_is_within_a_few_grey_values(architecture: str, frames: Frames) -> None:
    restored = Restorer.from_checkpoint(checkpoint(architecture)).restore(frames).astype(int)
    half = Restorer.from_checkpoint(checkpoint(architecture), precision="half").restore(frames)
    assert 0 < abs(half - restored).max() <= 6
    assert abs(half - restored).mean() < 0.6


def test_requests_that_share_passes_get_what_they_would_alone(frames: Frames) -> None:
    restorer = Restorer.from_checkpoint(checkpoint(ARCHITECTURE))
    shared = DynamicBatcher(restorer.restore_all)
    brought = [frames[:1], frames[1:4], frames[4:4], frames, frames[2:, :24]]
    expected = [restorer.restore(some) for some in brought]
    with ThreadPoolExecutor(len(brought)) as pool:
        for _ in range(10):
            for found, alone in zip(pool.map(shared, brought), expected, strict=True):
                np.testing.assert_array_equal(found, alone)


def test_the_frames_sent_stay_as_they_are(frames: Frames) -> None:
    before = frames.copy()
    Restorer.from_checkpoint(checkpoint(ARCHITECTURE)).restore(frames)
    assert np.array_equal(frames, before)


def test_no_frames_are_no_frames(frames: Frames) -> None:
    assert Restorer.from_checkpoint(checkpoint("unet")).restore(frames[:0]).shape == (0, 48, 40, 3)


def test_the_checkpoint_may_name_its_own_threshold() -> None:
    assert Restorer.from_checkpoint(checkpoint("unet", blurry_below=0.3)).blurry_below == 0.3
    assert Restorer.from_checkpoint(checkpoint("unet")).blurry_below == BLURRY_BELOW


def test_large_frames_travel_in_small_batches() -> None:
    assert batch_size(224, 224) == batch_size(64, 64) == BATCH
    assert batch_size(448, 448) == BATCH // 4
    assert batch_size(1080, 1920) == 1


@pytest.mark.parametrize("kind", ["sync", "deblur"])
def test_other_networks_are_refused(kind: str) -> None:
    architecture = ARCHITECTURE if kind == "sync" else "embedding"
    with pytest.raises(CheckpointError, match="deblurs nothing"):
        Restorer.from_checkpoint(Checkpoint(kind, architecture, {}, {}))
