"""The published files as checkpoints of this project.

Reads pickles without running them, checks that every tensor fits its network, and writes safetensors.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from outofsync.checkpoints.store import Checkpoint, CheckpointError
from outofsync.deblur.unet import load_unet
from outofsync.scoring.score import load_scorer
from outofsync.synchrony.published import PublishedConfig
from outofsync.synchrony.registry import load_sync
from outofsync_import.pickles import Holder, read_estimator, read_state_dict

TORCH_FILES = (b"PK\x03\x04", b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19")  # zip, and older


class Source(StrEnum):
    """What a published file can be, in words for messages."""

    SYNC = "a synchronisation network"
    REGRESSOR = "a regressor"
    PROJECTION = "a pickled projection"
    UNET = "a deblurring network"
    UNET_LIGHT = "a light deblurring network"


SIGNATURES = {  # a tensor that no other network has
    "transformer.cls_token": Source.SYNC,
    "decoder1.docoder.null_k": Source.REGRESSOR,
    "encoder.0.conv.double_conv.0.weight": Source.UNET,
    "enc1.double_conv.0.weight": Source.UNET_LIGHT,
}
UNET_ARCHITECTURES = {Source.UNET: "unet", Source.UNET_LIGHT: "unet_light"}


def read_published(path: Path, *expected: Source) -> tuple[Source, dict[str, Tensor]]:
    """What a file is, and its tensors; raises :class:`CheckpointError` where it is none of ``expected``."""
    source, tensors = _identified(path)
    if source not in expected:
        raise CheckpointError(f"{path.name} is {source}, not {' or '.join(expected)}")
    return source, tensors


def _identified(path: Path) -> tuple[Source, dict[str, Tensor]]:
    if not path.is_file():
        raise CheckpointError(f"{path} is no file")
    with path.open("rb") as file:
        is_torch_file = file.read(14).startswith(TORCH_FILES)
    if not is_torch_file:
        return Source.PROJECTION, _projection_tensors(path.name, read_estimator(path))
    tensors = read_state_dict(path)
    for name, source in SIGNATURES.items():
        if name in tensors:
            return source, tensors
    raise CheckpointError(
        f"{path.name} holds a network unknown here, with tensors such as {sorted(tensors)[:3]}"
    )


def _projection_tensors(name: str, pipeline: Holder) -> dict[str, Tensor]:
    """The arrays of a pickled Pipeline(StandardScaler, PCA)."""
    try:
        (_, scaler), (_, pca) = pipeline.attributes["steps"]
        arrays = {
            "mean": scaler.attributes["mean_"],
            "scale": scaler.attributes["scale_"],
            "centre": pca.attributes["mean_"],
            "components": pca.attributes["components_"],
        }
        return {key: torch.from_numpy(np.array(array, np.float64)) for key, array in arrays.items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        raise CheckpointError(f"{name} is no pipeline of a StandardScaler and a PCA") from None


def import_sync(path: Path) -> Checkpoint:
    """The published ``sync_model.pth``, or a fork's with longer embeddings."""
    _, tensors = read_published(path, Source.SYNC)
    config = asdict(PublishedConfig.from_tensors(tensors))
    checkpoint = Checkpoint("sync", "published", config, tensors, about=_about(path))
    load_sync(checkpoint)
    return checkpoint


def import_scoring(delay: Path, feature: Path, projection: Path) -> Checkpoint:
    """Both published regressors and ``pca.pkl``, joined in one checkpoint."""
    _, delay_tensors = read_published(delay, Source.REGRESSOR)
    _, feature_tensors = read_published(feature, Source.REGRESSOR)
    _, projection_tensors = read_published(projection, Source.PROJECTION)
    tensors = {
        **{f"delay.{name}": tensor for name, tensor in delay_tensors.items()},
        **{f"feature.{name}": tensor for name, tensor in feature_tensors.items()},
        **{f"projection.{name}": tensor for name, tensor in projection_tensors.items()},
    }
    config = {"lam": 0.0, "calibration": None}
    checkpoint = Checkpoint("scoring", "published", config, tensors, about=_about(delay, feature, projection))
    load_scorer(checkpoint)
    return checkpoint


def import_deblur(path: Path) -> Checkpoint:
    """Either published U-Net, told apart by its tensors."""
    source, tensors = read_published(path, *UNET_ARCHITECTURES)
    checkpoint = Checkpoint("deblur", UNET_ARCHITECTURES[source], {}, tensors, about=_about(path))
    load_unet(checkpoint)
    return checkpoint


def _about(*paths: Path) -> dict[str, object]:
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    return {"imported_sha256": digests}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="outofsync-import", description=__doc__)
    parser.add_argument("--sync", type=Path, metavar="PTH", help="sync_model.pth")
    parser.add_argument("--dist", type=Path, metavar="PTH", help="dist_regressive_model.pth")
    parser.add_argument("--avfeature", type=Path, metavar="PTH", help="avfeature_regressive_model.pth")
    parser.add_argument("--pca", type=Path, metavar="PKL", help="pca.pkl")
    parser.add_argument("--deblur", type=Path, metavar="PTH", help="weights of UNetDeblur or UNetDeblurLight")
    parser.add_argument("--output-dir", type=Path, required=True, help="folder for the checkpoints")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Import whichever files are named; the three scoring files go together."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    scoring = (chosen.dist, chosen.avfeature, chosen.pca)
    if any(scoring) and not all(scoring):
        parser.error("--dist, --avfeature and --pca make one checkpoint; name all three")
    if not any((chosen.sync, chosen.deblur, *scoring)):
        parser.error("name at least one published file")
    try:
        checkpoints = [
            *([import_sync(chosen.sync)] if chosen.sync else []),
            *([import_scoring(*scoring)] if all(scoring) else []),
            *([import_deblur(chosen.deblur)] if chosen.deblur else []),
        ]
    except CheckpointError as error:
        sys.exit(f"outofsync-import: {error}")
    for checkpoint in checkpoints:
        path = chosen.output_dir / f"{checkpoint.kind}.safetensors"
        checkpoint.save(path)
        sys.stdout.write(f"{path}: {checkpoint.kind}, {len(checkpoint.tensors)} tensors\n")
