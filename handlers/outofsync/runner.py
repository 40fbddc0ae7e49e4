"""A network run in passes of one fixed shape, on a processor or a graphics card.

Fixed shapes keep a row's numbers free of its company, since kernels may sum in another order for another
batch size, and they let a graphics card replay a recorded pass.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from outofsync.cuda_graph import IN_FLIGHT, GraphedFunction
from outofsync.timing import Stopwatch

Precision = Literal["float32", "half", "float16", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
HALF = {"cuda": torch.float16, "cpu": torch.bfloat16}  # the sixteen bits that each device computes fast


class PassRunner:
    """Calls a network, which it takes over, on batches that all have the same shape."""

    def __init__(
        self,
        network: nn.Module,
        device: str | torch.device = "cpu",
        precision: Precision = "float32",
    ) -> None:
        """``half`` means the sixteen-bit type that suits the device; the others mean what they say.

        Raises ValueError for a precision that is none of :data:`PRECISIONS`.
        """
        if precision not in PRECISIONS:
            raise ValueError(f"precision {precision!r} is none of {', '.join(PRECISIONS)}")
        self.device = torch.device(device)
        self._half = _sixteen_bits(precision, self.device)
        self._network = network.to(self.device).eval()
        if self._half is not None:
            _store_in(network, self._half)
        self._graphed = GraphedFunction(self._forward, self.device) if self.device.type == "cuda" else None

    @torch.inference_mode()
    def __call__(self, batch: Tensor, *, record: bool = True) -> Tensor:
        """What the network makes of a (batch, …), on the device; floats are float32.

        A graphics card may still be at work on it, in order with the current stream. ``record`` says that
        batches of this shape come often enough for a recording, which holds on to memory for good.
        """
        return self._graphed(batch, record) if self._graphed else self._forward(batch.to(self.device))

    @torch.inference_mode()
    def to_host(self, batches: Iterable[Tensor], *, record: bool = True) -> Iterator[Tensor]:
        """Outputs (batch, …) in main memory, in order; while one is used, the next are on their way."""
        arriving = deque[Callable[[], Tensor]]()
        for batch in batches:
            output = self(batch, record=record)
            arriving.append(self._graphed.fetch(output) if self._graphed else partial(_ready, output))
            if len(arriving) == IN_FLIGHT:
                yield arriving.popleft()()
        while arriving:
            yield arriving.popleft()()

    def _forward(self, batch: Tensor) -> Tensor:
        if self._half is None:
            out: Tensor = self._network(batch)
            return out
        # Without its cache, which would hand a recording tensors that are gone when it is replayed.
        with torch.autocast(self.device.type, self._half, cache_enabled=False):
            out = self._network(batch)
        return out.float() if out.is_floating_point() else out


def _sixteen_bits(precision: Precision, device: torch.device) -> torch.dtype | None:
    """The type that convolutions are computed in, or None for float32."""
    named = {"float32": None, "float16": torch.float16, "bfloat16": torch.bfloat16}
    return HALF[device.type] if precision == "half" else named[precision]


def _ready(output: Tensor) -> Tensor:
    return output


def _store_in(network: nn.Module, half: torch.dtype) -> None:
    """Keep the weights of convolutions and projections as they are used, not to be cast at each call."""
    for layer in network.modules():
        if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.Linear)):
            layer.to(half)
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):  # in the layout of tensor cores
            layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)


@contextmanager
def timed(watch: Stopwatch | None, stage: str, device: torch.device) -> Iterator[None]:
    """Time a stage, to the end of what it left a graphics card to do; without a watch wait for nothing."""
    if watch is None:
        yield
        return
    with watch.stage(stage):
        yield
        if device.type == "cuda":
            torch.cuda.synchronize(device)
