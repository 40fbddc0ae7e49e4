"""Checkpoints of small untrained networks: enough to run the whole chain, and made in a moment."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import torch

from outofsync.appearance.network import FaceConfig, FaceNetwork
from outofsync.checkpoints.store import Checkpoint
from outofsync.deblur.residual import ResidualUNet
from outofsync.scoring.regressor import CHANNELS, Regressor
from outofsync.synchrony.embedding import EmbeddingConfig, EmbeddingNetwork

EMBEDDING = 16
WIDTHS = (8, 8, 16, 16)


def write_checkpoints(folder: Path) -> Path:
    """``deblur``, ``sync``, ``scoring`` and ``face`` under the names the nodes load."""
    torch.manual_seed(1)
    face = FaceConfig()
    Checkpoint("face", "movement", asdict(face), FaceNetwork(face).state_dict()).save(
        folder / "face.safetensors"
    )
    sync_checkpoint().save(folder / "sync.safetensors")
    scoring_checkpoint(2 * EMBEDDING).save(folder / "scoring.safetensors")
    weights = ResidualUNet(widths=WIDTHS).state_dict()
    config = {"widths": WIDTHS, "blurry_below": 0.26}
    Checkpoint("deblur", "residual_unet", config, weights).save(folder / "deblur.safetensors")
    return folder


def sync_checkpoint() -> Checkpoint:
    config = EmbeddingConfig(width=32, embedding=EMBEDDING, blocks=1)
    return Checkpoint("sync", "embedding", asdict(config), EmbeddingNetwork(config).state_dict())


def scoring_checkpoint(features: int) -> Checkpoint:
    """Regressors that know nothing, and a projection that keeps the first 31 features."""
    tensors = {
        "projection.mean": torch.zeros(features),
        "projection.scale": torch.ones(features),
        "projection.centre": torch.zeros(features),
        "projection.components": torch.eye(CHANNELS, features),
    }
    for part in ("delay", "feature"):
        tensors |= {f"{part}.{name}": weights for name, weights in Regressor().state_dict().items()}
    return Checkpoint("scoring", "published", {"lam": 0.5, "calibration": None}, tensors)
