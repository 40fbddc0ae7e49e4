"""What a graphics card can do that a processor cannot: replay CUDA graphs, and copy while it computes.

Pinned and device memory come from torch's caching allocators, which hand out a block again only when the
copies and kernels that use it are over; so no buffer is guarded by hand but the two of a graph.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor

from outofsync.precision import FullFloat32

IN_FLIGHT = 2  # passes handed to a card at a time: one computes while the next is copied
WARM_UPS = 3  # calls before a graph is recorded, in which libraries load kernels and take memory


class GraphedFunction:
    """A function of one tensor on one graphics card, replayed as a CUDA graph; threads may share it."""

    def __init__(self, function: Callable[[Tensor], Tensor], device: torch.device) -> None:
        self._function = function
        self._device = device
        self._uploads, self._downloads = _stream(device), _stream(device)
        self._graphs: dict[tuple[torch.Size, torch.dtype], _CudaGraph] = {}
        self._in_flight = deque[torch.cuda.Event]()
        self._lock = threading.Lock()

    def __call__(self, batch: Tensor, record: bool) -> Tensor:
        """Queue one pass of a (batch, …) on the current stream; returns its output to be, on the card."""
        with self._lock, torch.cuda.device(self._device), FullFloat32():
            if len(self._in_flight) == IN_FLIGHT:
                self._in_flight.popleft().synchronize()
            batch = self._upload(batch)
            output = self._graph(batch)(batch) if record else self._function(batch)
            self._in_flight.append(torch.cuda.current_stream().record_event())
        return output

    def fetch(self, output: Tensor) -> Callable[[], Tensor]:
        """Begin to copy a (batch, …) to main memory; the call returned waits until it is there."""
        with torch.cuda.device(self._device):
            self._downloads.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._downloads):
                host = torch.empty_like(output, device="cpu", pin_memory=True)
                host.copy_(output, non_blocking=True)
                output.record_stream(self._downloads)
                copied = self._downloads.record_event()

        def wait() -> Tensor:
            copied.synchronize()
            return host

        return wait

    def _upload(self, batch: Tensor) -> Tensor:
        """Copy a batch from pinned memory, beside what the card computes at the time."""
        if batch.is_cuda:
            return batch
        with torch.cuda.stream(self._uploads):
            uploaded = batch.pin_memory().to(self._device, non_blocking=True)
        current = torch.cuda.current_stream()
        current.wait_stream(self._uploads)
        uploaded.record_stream(current)
        return uploaded

    def _graph(self, batch: Tensor) -> _CudaGraph:
        kind = (batch.shape, batch.dtype)
        if kind not in self._graphs:
            self._graphs[kind] = _CudaGraph(self._function, batch)
        return self._graphs[kind]


class _CudaGraph:
    """A CUDA graph of a function, with the input it reads and the output it writes."""

    def __init__(self, function: Callable[[Tensor], Tensor], example: Tensor) -> None:
        self._input = example.clone()
        current, aside = torch.cuda.current_stream(), _stream(example.device)
        aside.wait_stream(current)
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                function(self._input)
        current.wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        # What other threads do with the card meanwhile is none of this graph's business.
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._output = function(self._input)
        self._free = current.record_event()

    def __call__(self, batch: Tensor) -> Tensor:
        """Queue the recorded pass on the current stream; the output is the caller's own."""
        current = torch.cuda.current_stream()
        current.wait_event(self._free)  # the last pass may be queued on another stream
        self._input.copy_(batch)
        self._graph.replay()
        output = self._output.clone()
        self._free.record(current)
        return output


def _stream(device: torch.device) -> torch.cuda.Stream:
    stream: torch.cuda.Stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    return stream
