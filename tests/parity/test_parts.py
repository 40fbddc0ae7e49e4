"""Each part alone gives the published numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from outofsync.checkpoints.store import Checkpoint
from outofsync.deblur.unet import load_unet
from outofsync.scoring.score import Scorer, Segment
from outofsync.synchrony.logmel import LogMel

Golden = Callable[[str], dict[str, NDArray[Any]]]


def test_log_mel(golden: Golden) -> None:
    parts = golden("parts")
    mel = LogMel()(torch.from_numpy(parts["filterbank_in"])).transpose(1, 2)
    published = parts["filterbank_out"]
    # Where a band holds next to nothing, a transform in single precision leaves its own rounding there: exact
    # arithmetic is itself 2.2e-4 from the published numbers at such a place, and processors differ.
    apart = np.abs(mel.numpy() - published)
    assert apart.max() <= 5e-4
    assert np.mean(apart > 1e-4) <= 1e-3
    exact = LogMel().double()(torch.from_numpy(parts["filterbank_in"]).double()).transpose(1, 2)
    np.testing.assert_allclose(mel, exact, rtol=0, atol=5e-4)


@pytest.mark.parametrize("windows", [50, 30, 2])
def test_regressor_losses_at_every_step(golden: Golden, scorer: Scorer, windows: int) -> None:
    parts = golden("parts")
    segment = Segment(parts["reg_delays"][:windows], parts["reg_avfeature"][:windows])
    (score,) = scorer.score_segments([segment])
    np.testing.assert_allclose(score.delay_steps, parts[f"reg_kl_{windows}"], rtol=1e-4)
    np.testing.assert_allclose(score.feature_steps, parts[f"reg_mse_{windows}"], rtol=1e-4)


def test_projection(golden: Golden, scorer: Scorer) -> None:
    parts = golden("parts")
    np.testing.assert_allclose(scorer.project(parts["pca_in"]), parts["pca_out"], rtol=0, atol=1e-4)


@pytest.mark.parametrize("architecture", ["unet", "unet_light"])
@torch.inference_mode()
def test_deblurring_network(
    golden: Golden, unet_weights: Callable[[str], dict[str, Tensor]], architecture: str
) -> None:
    pictures = golden("unet")
    network = load_unet(Checkpoint("deblur", architecture, {}, unet_weights(architecture)))
    restored = network(torch.from_numpy(pictures["input"]))
    np.testing.assert_allclose(restored, pictures[architecture], rtol=0, atol=1e-4)
