"""Several processes that train one network together (torchrun), or one that trains alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

Value = TypeVar("Value")


@dataclass(frozen=True)
class ProcessGroup:
    """Which of how many processes this is, and the device it works on."""

    rank: int
    world_size: int
    device: str

    @property
    def is_main(self) -> bool:
        """Whether this process looks at val, writes files and talks."""
        return self.rank == 0

    @property
    def on_gpu(self) -> bool:
        return torch.device(self.device).type == "cuda"

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network, its gradients averaged over the group."""
        if self.world_size == 1:
            return network
        return DistributedDataParallel(network, device_ids=[self.device] if self.on_gpu else None)

    def broadcast(self, value: bool) -> bool:
        """What the main process says, for everybody; waits until all have asked."""
        if self.world_size == 1:
            return value
        said = torch.tensor([float(value)], device=self.device)
        distributed.broadcast(said, 0)
        return bool(said.item())

    def gather(self, value: Value) -> list[Value]:
        """What each process has, by rank; waits until all have asked."""
        values = [value] * self.world_size
        if self.world_size > 1:
            distributed.all_gather_object(values, value)
        return values


@contextmanager
def process_group(device: str) -> Iterator[ProcessGroup]:
    """The group that torchrun started this process in; without torchrun, a group of one."""
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size == 1:
        yield ProcessGroup(0, 1, device)
        return
    on_gpu = torch.device(device).type == "cuda"
    if on_gpu:
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield ProcessGroup(distributed.get_rank(), world_size, device)
    finally:
        distributed.destroy_process_group()
