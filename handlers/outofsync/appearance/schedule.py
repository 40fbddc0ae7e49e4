"""Serve the face network, one stretch of a track after another.

Of every two seconds, as long as a scored segment, the network sees :data:`SEEN` frames: a face that was made
is made throughout, and what is left out is time saved. Each frame takes the logit of the nearest stretch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from outofsync.appearance.detail import looks_of
from outofsync.appearance.inputs import normalised, pictures_of
from outofsync.appearance.network import FaceConfig, FaceNetwork
from outofsync.appearance.texture import described, measured, small
from outofsync.checkpoints.store import Checkpoint, CheckpointError
from outofsync.folding import fold_batch_norms
from outofsync.frames import Frames, FrameStore
from outofsync.precision import FullFloat32
from outofsync.prefetch import prefetch
from outofsync.synchrony.embedding import STEM_REACH

SEEN = 32  # frames of a stretch
EVERY = 50  # frames from one stretch to the next
MAX_READERS = 8  # threads that decode and measure

# The number of a track, and the logits of its stretches so far.
OnStretch = Callable[[int, Sequence[float]], None]


class FaceJudge:
    """Logits of tracks: higher where a face looks generated."""

    def __init__(self, network: FaceNetwork, device: str = "cpu") -> None:
        """Take over ``network``."""
        self._device = torch.device(device)
        fold_batch_norms(network)
        self._network = network.to(self._device).eval()
        for layer in (*self._network.front.frame.modules(), *self._network.detail.modules()):
            if isinstance(layer, nn.Conv2d):  # in the layout that is quickest for few channels
                layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, device: str = "cpu") -> FaceJudge:
        """Raises :class:`CheckpointError` where the tensors do not fit the architecture."""
        try:
            config = {name: _tuple(value) for name, value in checkpoint.config.items()}
            network = FaceNetwork(FaceConfig(**config))
            network.load_state_dict(checkpoint.tensors)
        except (RuntimeError, TypeError, KeyError) as error:
            raise CheckpointError(f"these are not the tensors of a face network: {error}") from None
        return cls(network, device)

    @torch.inference_mode()
    def evaluate(
        self, tracks: Sequence[FrameStore], *, on_stretch: OnStretch | None = None
    ) -> list[NDArray[np.float32]]:
        """Logits (frames,) of each track, in order; a track's numbers never depend on its company.

        ``on_stretch`` is called after each stretch.
        """
        with FullFloat32():
            return [
                self._one(track, partial(on_stretch, number) if on_stretch else None)
                for number, track in enumerate(tracks)
            ]

    def _one(
        self, track: FrameStore, on_stretch: Callable[[Sequence[float]], None] | None
    ) -> NDArray[np.float32]:
        starts = starts_of(len(track))
        # Other threads decode and measure the next stretches while the network is at work on one.
        looks = (partial(self._look, track, start) for start in starts)
        readers = min(MAX_READERS, torch.get_num_threads())
        logits = list[float]()
        for seen in prefetch(looks, readers):
            logits.append(self._logit(*seen))
            if on_stretch is not None:
                on_stretch(logits)
        return spread(logits, starts, len(track))

    def _look(self, track: FrameStore, start: int) -> tuple[Tensor, ...]:
        return seen_of(small(read_stretch(track, start)), self._network.config)

    def _logit(self, *seen: Tensor) -> float:
        """Of one stretch, in a pass of its own: products round differently in other company."""
        return float(self._network(*(part[None].to(self._device) for part in seen)))


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def seen_of(crops: Frames, config: FaceConfig) -> tuple[Tensor, Tensor, Tensor]:
    """Crops (frames + 4, 144, 144, 3) → what the network takes of one stretch: views, detail, texture."""
    pictures = normalised(pictures_of(crops, config.views, config.picture))
    return pictures, looks_of(crops), torch.from_numpy(described(measured(crops)))


def starts_of(frames: int) -> list[int]:
    """First frames of the stretches that are looked at in a track of so many frames."""
    last = max(0, frames - SEEN)
    return sorted({min(start, last) for start in range(0, max(1, frames - SEEN // 2), EVERY)})


def read_stretch(track: FrameStore, start: int) -> Frames:
    """A stretch with what the front sees around it, (frames + 4, side, side, 3); it turns back at an end."""
    wanted = np.arange(start - STEM_REACH, start + SEEN + STEM_REACH)
    last = len(track) - 1
    wanted = np.abs((wanted + last) % (2 * last) - last) if last else np.zeros_like(wanted)
    low = int(wanted.min())
    frames: Frames = track.read(low, int(wanted.max()) + 1)[wanted - low]
    return frames


def spread(logits: Sequence[float], starts: Sequence[int], frames: int) -> NDArray[np.float32]:
    """Logits of stretches → of all frames (frames,), each that of the stretch whose middle is nearest."""
    nearest = np.searchsorted(_edges(starts), np.arange(frames))
    return np.array(logits, np.float32)[nearest]


def known_until(starts: Sequence[int], judged: int, frames: int) -> int:
    """How many frames of a track, from its first on, have their logit once so many stretches are judged."""
    return frames if judged >= len(starts) else int(np.ceil(_edges(starts)[judged - 1])) if judged else 0


def _edges(starts: Sequence[int]) -> NDArray[np.float64]:
    """The frames midway between the middles of two stretches."""
    middles = np.array(starts) + SEEN / 2
    edges: NDArray[np.float64] = (middles[1:] + middles[:-1]) / 2
    return edges
