"""Frames in, deblurred frames out, with whichever network a checkpoint holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from outofsync.checkpoints.store import Checkpoint, CheckpointError
from outofsync.constants import FACE_SIZE
from outofsync.deblur import residual, unet
from outofsync.deblur.sharpness import BLURRY_BELOW
from outofsync.dynamic_batcher import DynamicBatcher
from outofsync.folding import fold_batch_norms
from outofsync.runner import PassRunner, Precision

Loader = Callable[[Checkpoint], nn.Module]

LOADERS: dict[str, Loader] = {
    residual.ARCHITECTURE: residual.load_residual,
    **dict.fromkeys(unet.ARCHITECTURES, unet.load_unet),
}
BATCH = 8  # face crops that pass through the network together
CARD_BATCH = 32  # the same on a graphics card, which takes more to be kept busy


class OnPixels(nn.Module):
    """A network of colours in 0 … 1, applied to pixels: uint8 (batch, height, width, 3) → the same."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self._network = network

    def forward(self, pixels: Tensor) -> Tensor:
        # A permuted (batch, height, width, RGB) array is channels-last already.
        x = pixels.permute(0, 3, 1, 2).float().div_(255)
        y: Tensor = self._network(x).float().mul_(255).round_().clamp_(0, 255)
        return y.to(torch.uint8).permute(0, 2, 3, 1)


class Restorer:
    """A deblurring network at work.

    Frames keep their size: the published program squeezed every frame to 256×256 and back, which costs more
    sharpness than its network restores, so the published networks too run at the frame's own size here.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        blurry_below: float = BLURRY_BELOW,
        device: str | torch.device = "cpu",
        precision: Precision = "float32",
    ) -> None:
        """Raises ValueError for an unknown precision."""
        self.blurry_below = blurry_below  # sharpness under which ``deblur=auto`` restores a frame
        # In the precision in which all that is published of these networks was measured.
        fold_batch_norms(network, torch.float32)
        self._runner = PassRunner(OnPixels(network), device, precision)
        on_card = self._runner.device.type == "cuda"
        self._batch = CARD_BATCH if on_card else BATCH
        # Processors gain nothing from fuller passes, and lose what threads do side by side.
        self._shared = DynamicBatcher(self.restore_all) if on_card else None

    @classmethod
    def from_checkpoint(
        cls, checkpoint: Checkpoint, device: str | torch.device = "cpu", precision: Precision = "float32"
    ) -> Restorer:
        """Any deblurring checkpoint; raises :class:`CheckpointError` for one that cannot be used."""
        load = LOADERS.get(checkpoint.architecture)
        if checkpoint.kind != "deblur" or load is None:
            raise CheckpointError(
                f"{checkpoint.kind}/{checkpoint.architecture} deblurs nothing; known are {', '.join(LOADERS)}"
            )
        config = dict(checkpoint.config)
        blurry_below = float(config.pop("blurry_below", BLURRY_BELOW))
        network = load(replace(checkpoint, config=config))
        return cls(network, blurry_below=blurry_below, device=device, precision=precision)

    @property
    def on_card(self) -> bool:
        """Whether it works on a graphics card, which is kept busy by many frames at once."""
        return self._shared is not None

    def restore(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8 (frames, height, width, 3) RGB → the same shape, deblurred.

        Threads may call it at once; on a graphics card, frames of one size then share passes.
        """
        return self._shared(frames) if self._shared else self.restore_all([frames])[0]

    def restore_all(self, groups: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
        """Deblur arrays uint8 (frames, height, width, 3) of frames of one size as if they were one.

        Every batch has the same number of frames (the last is filled up), because a convolution may sum in
        another order for another batch size: a frame's bytes never depend on the frames around it.
        """
        restored = [np.empty_like(frames) for frames in groups]
        places = chain.from_iterable(restored)
        height, width = groups[0].shape[1:3]
        batches = _batches(groups, batch_size(height, width, self._batch))
        # Whole videos come in any size; only crops are worth a recording.
        for pixels in self._runner.to_host(batches, record=height == width == FACE_SIZE):
            for frame, place in zip(pixels.numpy(), places, strict=False):  # the last batch has more
                place[...] = frame
        return restored


def _batches(groups: Sequence[NDArray[np.uint8]], size: int) -> Iterator[Tensor]:
    """All frames in order, in batches of ``size``, of which the last ends in black frames."""
    frames = chain.from_iterable(groups)
    while some := list(islice(frames, size)):
        batch = np.zeros((size, *some[0].shape), np.uint8)
        np.stack(some, out=batch[: len(some)])
        yield torch.from_numpy(batch)


def batch_size(height: int, width: int, crops: int = BATCH) -> int:
    """Frames of this size that travel together: as many as crops, or fewer, so that memory stays bounded."""
    return min(crops, max(1, crops * FACE_SIZE * FACE_SIZE // (height * width)))
