"""Frames in, deblurred frames out, with whichever network a checkpoint holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from outofsync.checkpoints.store import Checkpoint, CheckpointError
from outofsync.constants import FACE_SIZE
from outofsync.deblur import residual, unet
from outofsync.deblur.sharpness import BLURRY_BELOW

Loader = Callable[[Checkpoint], nn.Module]

LOADERS: dict[str, Loader] = {
    residual.ARCHITECTURE: residual.load_residual,
    **dict.fromkeys(unet.ARCHITECTURES, unet.load_unet),
}
BATCH = 8  # face crops that pass through the network together
BATCH_PIXELS = (
    BATCH * FACE_SIZE * FACE_SIZE
)  # larger frames travel in smaller batches, so memory stays bounded


class Restorer:
    """A deblurring network at work.

    Frames keep their size: the published program squeezed every frame to 256×256 and back, which costs more
    sharpness than its network restores, so the published networks too run at the frame's own size here.
    """

    def __init__(
        self, network: nn.Module, *, blurry_below: float = BLURRY_BELOW, device: str | torch.device = "cpu"
    ) -> None:
        self.blurry_below = blurry_below  # sharpness under which ``deblur=auto`` restores a frame
        self._device = torch.device(device)
        self._network = fold_batch_norms(network.eval()).to(self._device)

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, device: str | torch.device = "cpu") -> Restorer:
        """Any deblurring checkpoint; raises :class:`CheckpointError` for one that cannot be used."""
        load = LOADERS.get(checkpoint.architecture)
        if checkpoint.kind != "deblur" or load is None:
            raise CheckpointError(
                f"{checkpoint.kind}/{checkpoint.architecture} deblurs nothing; known are {', '.join(LOADERS)}"
            )
        config = dict(checkpoint.config)
        blurry_below = float(config.pop("blurry_below", BLURRY_BELOW))
        return cls(load(replace(checkpoint, config=config)), blurry_below=blurry_below, device=device)

    @torch.inference_mode()
    def restore(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8 (frames, height, width, 3) RGB → the same shape, deblurred.

        Every batch has the same number of frames (the last is filled up), because a convolution may sum in
        another order for another batch size: a frame's bytes never depend on the frames around it.
        """
        restored = np.empty_like(frames)
        size = batch_size(*frames.shape[1:3])
        for start in range(0, len(frames), size):
            some = frames[start : start + size]
            batch = np.zeros((size, *frames.shape[1:]), np.uint8)
            batch[: len(some)] = some
            restored[start : start + size] = self._restore_batch(batch)[: len(some)]
        return restored

    def _restore_batch(self, batch: NDArray[np.uint8]) -> NDArray[np.uint8]:
        # A permuted (batch, height, width, RGB) array is channels-last already.
        x: Tensor = torch.from_numpy(batch).to(self._device).permute(0, 3, 1, 2).float() / 255
        y: Tensor = self._network(x).mul_(255).round_().clamp_(0, 255)
        pixels: NDArray[np.uint8] = y.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        return pixels


def batch_size(height: int, width: int) -> int:
    """Frames of this size that travel together."""
    return min(BATCH, max(1, BATCH_PIXELS // (height * width)))


def fold_batch_norms(network: nn.Module) -> nn.Module:
    """Merge each batch norm of ``network`` itself into the convolution before it; only for evaluation."""
    for module in network.modules():
        if not isinstance(module, nn.Sequential):
            continue
        for index in range(len(module) - 1):
            convolution, norm = module[index], module[index + 1]
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module[index] = fuse_conv_bn_eval(convolution, norm)
                module[index + 1] = nn.Identity()
    return network
